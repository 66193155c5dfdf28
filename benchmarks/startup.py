"""How soon the command answers, against an interpreter that only imports click."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.compare import Comparison, compare

COMMAND = Path(sys.executable).with_name("deephits")


def call(*words: object) -> None:
    """Run a program to its end."""
    subprocess.run([str(w) for w in words], check=True, stdout=subprocess.DEVNULL)


def run() -> Iterator[Comparison]:
    """Measure."""
    for words in (["--help"], ["encoders", "list"]):
        yield compare(
            f"deephits {' '.join(words)}",
            lambda words=words: call(COMMAND, *words),
            "python -c 'import click, importlib.metadata'",
            lambda: call(sys.executable, "-c", "import click, importlib.metadata"),
            amount=1,
            unit="runs/s",
            target=1 / 3,
            rounds=15,
        )
