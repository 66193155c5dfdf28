"""A training step of the full default model with one change at a time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.compare import Comparison
from benchmarks.training import keras_rate

ROUNDS = 3
STEPS = 4
DEFAULT = ("--batch", 64)
TRIED = {
    "batch normalisation by keras.ops": (*DEFAULT, "--variant", "norm-by-ops"),
    "the same, each by XLA": (*DEFAULT, "--variant", "norm-by-xla"),
    "the same, channels first": (*DEFAULT, "--variant", "channels-first"),
    "bfloat16 (mixed)": (*DEFAULT, "--precision", "mixed_bfloat16"),
    "memory given back (glibc's default)": (*DEFAULT, "--give-back"),
    "XLA for the whole model": (*DEFAULT, "--xla"),
    "batch 16": ("--batch", 16),
    "batch 256": ("--batch", 256),
}
"""Arguments of steps_keras."""

BY_ENVIRONMENT = {
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "on JAX": {"KERAS_BACKEND": "jax"},
}


def run() -> Iterator[Comparison]:
    """Measure, one process per measurement, alternately."""
    default: list[float] = []
    tried: dict[str, list[float]] = {name: [] for name in (*TRIED, *BY_ENVIRONMENT)}
    for _ in range(ROUNDS):
        default.append(keras_rate(*DEFAULT, "--steps", STEPS))
        for name, words in TRIED.items():
            # The same number of examples as the default.
            steps = max(2, STEPS * 64 // int(words[1]))
            tried[name].append(keras_rate(*words, "--steps", steps))
        for name, environment in BY_ENVIRONMENT.items():
            tried[name].append(keras_rate(*DEFAULT, "--steps", STEPS, **environment))
    for name, rates in tried.items():
        yield Comparison(
            f"training step, {name}",
            statistics.median(rates),
            "float32, batch 64",
            statistics.median(default),
            "examples/s",
            tuple(mine / theirs for mine, theirs in zip(rates, default, strict=True)),
            None,
        )
