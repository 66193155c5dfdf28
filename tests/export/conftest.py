"""An environment that has what bundles need, without Keras and TensorFlow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ABSENT = ("keras", "keras_hub", "tensorflow", "transformers", "torch", "jax", "tf2onnx")

RunWithoutKeras = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def without_keras(tmp_path_factory: pytest.TempPathFactory) -> RunWithoutKeras:
    """Runs Python there; installed as docs/export.md says."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("needs uv, which `make test` installs")
    place = tmp_path_factory.mktemp("without-keras")
    source, folder = place / "source", place / "environment"
    source.mkdir()
    for name in ("deephits_keras", "plugins"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    python = folder / "bin" / "python"
    options = ("--quiet", "--python", str(python), "--override", str(ROOT / "without-keras.txt"))
    for command in (
        (uv, "venv", "--quiet", "--python", sys.executable, folder),
        (uv, "pip", "install", *options, f"{source}[runtime]"),
    ):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(python), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)

    found = run("-c", f"import importlib.util as u; print([n for n in {ABSENT} if u.find_spec(n)])")
    assert found.stdout.strip() == "[]", found.stderr
    return run
