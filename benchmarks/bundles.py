"""An exported model against the run that it came from: a cold start, and one forward pass."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.compare import Comparison, compare
from benchmarks.memory import peak
from benchmarks.prediction import a_run
from benchmarks.startup import COMMAND, call
from deephits_keras.export.exporter import export_run
from deephits_keras.runs.run import Run

PASSES = {"meta": 500, "mel,meta": 20}
"""How many forward passes a round makes, by the modalities of the model."""


def run() -> Iterator[Comparison]:
    """Measure."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for modalities, passes in PASSES.items():
        with tempfile.TemporaryDirectory() as name:
            yield from of_model(Path(name), modalities, passes)


def of_model(folder: Path, modalities: str, passes: int) -> Iterator[Comparison]:
    """A forward pass of a model of some modalities; with a recording, a cold start as well."""
    a_run(folder, modalities)
    model = Run(folder / "run").model
    bundle = export_run(folder / "run", folder / "bundle")
    inputs = {t.name: np.ones((1, *t.shape), t.dtype) for t in bundle.manifest.inputs}
    score = bundle.scorer
    yield compare(
        f"one forward pass of {modalities}, batch 1, onnxruntime",
        lambda: [score(inputs) for _ in range(passes)],
        "Keras' predict_on_batch",
        lambda: [model.predict_on_batch(inputs) for _ in range(passes)],
        amount=passes,
        unit="passes/s",
        target=3.0,
    )
    if "mel" not in modalities:
        return
    words = [("predict", folder / which, folder / "0.mp3") for which in ("bundle", "run")]
    yield compare(
        "predict of a song from a cold start, with a bundle",
        lambda: call(COMMAND, *words[0]),
        "with the run",
        lambda: call(COMMAND, *words[1]),
        amount=1,
        unit="runs/s",
        target=3.0,
    )
    ours, theirs = (peak(*each) for each in words)
    work, alternative = "peak memory of predict of a song, with a bundle", "with the run"
    yield Comparison(work, ours, alternative, theirs, "MB", (theirs / ours,), 3.0)
