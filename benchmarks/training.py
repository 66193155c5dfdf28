"""Training steps of the full default model: against PyTorch, and from the store against memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.compare import Comparison

ROOT = Path(__file__).parents[1]
TORCH = Path(os.environ.get("TORCH_PYTHON", ROOT / ".venv-torch" / "bin" / "python"))
STEPS = {64: 8, 256: 2}
ROUNDS = 3


def rate(python: Path, *words: object, **environment: str) -> float:
    """Examples per second, as printed by a separate program on its last line."""
    done = subprocess.run(
        [str(python), *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


def keras_rate(*words: object, **environment: str) -> float:
    """The rate of this package."""
    return rate(Path(sys.executable), "-m", "benchmarks.steps_keras", *words, **environment)


def torch_rate(*words: object) -> float:
    """PyTorch's rate."""
    return rate(TORCH, ROOT / "benchmarks" / "steps_torch.py", *words)


def run() -> Iterator[Comparison]:
    """Measure, one process per measurement, alternately."""
    for batch, steps in STEPS.items():
        size = ("--batch", batch, "--steps", steps)
        ours: list[float] = []
        peers: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            ours.append(keras_rate(*size))
            if TORCH.exists():
                peers.setdefault("PyTorch, plain", []).append(torch_rate(*size))
                best = torch_rate(*size, "--best")
                peers.setdefault("PyTorch, channels-last, compiled", []).append(best)
            peers.setdefault("a batch held in memory", []).append(
                keras_rate(*size, "--source", "store", "--tracks", 256)
            )
        targets = {"PyTorch, plain": 2.5, "PyTorch, channels-last, compiled": 1.3}
        for peer, rates in peers.items():
            stored = peer == "a batch held in memory"
            mine, theirs = (rates, ours) if stored else (ours, rates)
            yield Comparison(
                f"training {'from the store' if stored else 'step'}, batch {batch}",
                statistics.median(mine),
                peer,
                statistics.median(theirs),
                "examples/s",
                tuple(m / t for m, t in zip(mine, theirs, strict=True)),
                targets.get(peer, 0.95),
            )
