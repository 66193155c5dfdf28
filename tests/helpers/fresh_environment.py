"""A virtual environment that has this project's built wheel, as a user's would.

To stay quick it borrows everything else from the environment that runs the tests, by a `.pth` file:
no `.pth` of the borrowed folder is read, so that the project's editable installation isn't there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEVERAL = """
import io, json, sys
from contextlib import redirect_stdout
from deephits_keras.cli import main

outputs = []
for words in json.load(sys.stdin):
    with redirect_stdout(io.StringIO()) as output:
        try:
            main(words)
        except SystemExit as stop:
            if stop.code:
                raise
    outputs.append(output.getvalue())
print(json.dumps(outputs))
"""

SOURCES = (
    "deephits_keras",
    "plugins",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "LICENSE",
    "README.md",
)


class FreshEnvironment:
    """A new environment in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
        (site / "site-packages" / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"])
        self.python = folder / "bin" / "python"
        pip = folder / "bin" / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip --python {self.python} "$@"\n')
        pip.chmod(0o755)

    def run(
        self, *words: object, cwd: Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, or one found elsewhere; `text` is its input."""
        own = self.folder / "bin" / str(words[0])
        others = ("PYTEST", "PYTHON", "VIRTUAL")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [str(own if own.exists() else words[0]), *map(str, words[1:])],
            cwd=cwd,
            env={**kept, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
            input=text,
            capture_output=True,
            text=True,
        )

    def commands(self, cwd: Path, *commands: tuple[object, ...]) -> list[str]:
        """What each of several `deephits` commands prints; Keras is imported once for all."""
        words = json.dumps([[str(word) for word in command] for command in commands])
        done = self.run("python", "-c", SEVERAL, cwd=cwd, text=words)
        assert done.returncode == 0, done.stderr
        outputs: list[str] = json.loads(done.stdout.splitlines()[-1])
        return outputs

    def install_this_project(self) -> None:
        source, wheels = self.folder / "source", self.folder / "wheels"
        source.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name)
            elif (ROOT / name).exists():
                shutil.copy(ROOT / name, source)
        self._pip("wheel", "--no-deps", "--wheel-dir", wheels, source)
        found = ("--no-deps", "--ignore-installed", "--no-index", "--find-links", wheels)
        self._pip("install", *found, "deephits-keras")

    def _pip(self, *words: object) -> None:
        done = self.run("pip", *words, cwd=self.folder)
        assert done.returncode == 0, done.stderr
