"""One prediction in a running process, against the forward pass or the decoding that it needs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.compare import Comparison, compare
from benchmarks.corpora import corpus_of
from benchmarks.extraction import write_previews
from deephits_keras.corpus import make_split
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train

CALLS = {"meta": 500, "mel,meta": 20}
"""How often a round predicts, by the modalities of the run."""

FIELDS = {"tempo": 120.0, "artist_popularity": 60.0}


def a_run(folder: Path, modalities: str) -> Predictor:
    """A run trained for one epoch on a few recordings."""
    previews = [f"../{path.name}" for path in write_previews(folder, 2)]
    corpus = corpus_of(folder / "corpus", 16, previews)
    columns = {"meta": {"columns": ",".join(FIELDS)}}
    encoders = corpus_encoders(corpus, modalities, columns)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    split = make_split("random", corpus)
    training = TrainingConfig(epochs=1, batch_size=8, max_learning_rate=0.001)
    run = new_run(folder / "run", corpus, encoders, split, task="tiers-3", training=training)
    train(run, corpus)
    return Predictor(Run(folder / "run"))


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        calls, predictor = CALLS["meta"], a_run(Path(name), "meta")
        model = Run(Path(name) / "run").model
        inputs = {
            "meta_fields": np.array([list(FIELDS.values())], np.float32),
            "meta_present": np.ones((1, 1), np.float32),
        }
        yield compare(
            "a prediction, fields given",
            lambda: [predictor.predict([Track("t", fields=FIELDS)]) for _ in range(calls)],
            "one forward pass, batch 1",
            lambda: [model.predict_on_batch(inputs) for _ in range(calls)],
            amount=calls,
            unit="predictions/s",
            target=1 / 1.5,
        )
    with tempfile.TemporaryDirectory() as name:
        calls, predictor = CALLS["mel,meta"], a_run(Path(name), "mel,meta")
        song = Path(name) / "0.mp3"
        yield compare(
            "a prediction, MP3 given",
            lambda: [predictor.predict([Track("t", song, fields=FIELDS)]) for _ in range(calls)],
            "decoding alone",
            lambda: [soundfile.read(song, dtype="float32") for _ in range(calls)],
            amount=calls,
            unit="predictions/s",
            target=1 / 2,
        )
