"""The example that measures a real table, on a small planted one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "real_table.py"


@pytest.mark.nightly
def test_the_example_finds_what_the_columns_say(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    tracks = 240
    columns = ["acousticness", "danceability", "energy", "instrumentalness", "liveness"]
    table = pd.DataFrame({name: draw.random(tracks) for name in [*columns, "speechiness"]})
    table["valence"] = draw.random(tracks)
    table["loudness"] = -20 * draw.random(tracks)
    table["tempo"] = 80 + 80 * draw.random(tracks)
    table["duration_ms"] = 2e5
    table["mode"] = draw.integers(0, 2, tracks)
    table["key"] = draw.integers(-1, 12, tracks)
    table["release_year"] = draw.integers(1990, 2020, tracks)
    table["artist_name"] = [f"artist {n % 60}" for n in range(tracks)]
    table["track_id"] = [f"t{n}" for n in range(tracks)]
    table["popularity"] = (100 * table["energy"]).round()
    table.to_csv(tmp_path / "songs.csv", index=False)
    done = subprocess.run(
        [sys.executable, EXAMPLE, tmp_path / "songs.csv", tmp_path / "out", "--seeds", "2"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    regression = done.stdout.split("regression, test part")[1].splitlines()
    r2 = {line.split("  ")[0]: float(line.split("+-")[0].split()[-1]) for line in regression[3:8]}
    assert r2["majority"] < 0.1
    assert r2["logistic"] > 0.9
    assert r2["default"] > 0.9
    assert set(r2) == {"default", "paper", "majority", "logistic", "boosting"}
