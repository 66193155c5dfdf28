"""The main job on real recordings from a Debian package; skipped where it can't be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "real_music.py"


@pytest.mark.nightly
def test_real_ogg_recordings_go_all_the_way_to_a_prediction(tmp_path: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("needs Debian's apt-get and dpkg-deb")
    package = tmp_path / "package"
    package.mkdir()
    fetched = subprocess.run(
        ["apt-get", "download", "hyperrogue-music"], cwd=package, capture_output=True, text=True
    )
    if fetched.returncode and not os.environ.get("CI"):
        pytest.skip(f"the package can't be had here: {fetched.stderr.strip()[-200:]}")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path), "--mel-frames", "128"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"\d+ recordings .*; their popularity is MADE UP\.", done.stdout)
    assert (tmp_path / "run" / "report.html").exists()
    assert "popularity" in done.stdout.split("$ deephits predict")[1]
