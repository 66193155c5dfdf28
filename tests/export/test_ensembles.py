"""Ensembles as bundles: what the run says, every format says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.exporter import export_run
from deephits_keras.export.formats.registry import FORMATS
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train

TRACKS = 64
Said = Callable[[str], tuple[Path, list[TrackPrediction]]]
WORDS = {"max_words": 12, "buckets": 50, "word_size": 8, "states": 8, "units": 16}

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Fields with gaps, and lyrics of two tracks in three."""
    folder = tmp_path_factory.mktemp("ensembles")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(TRACKS)]})
    table["popularity"] = rng.uniform(0, 100, TRACKS).round()
    table["artist_popularity"] = table["popularity"].where(rng.random(TRACKS) > 0.2)
    table["tempo"] = pd.Series(rng.normal(120, 9, TRACKS)).where(rng.random(TRACKS) > 0.2)
    lyrics = pd.Series([f"{'day' if n % 2 else 'night'} {n} of the road" for n in range(TRACKS)])
    table["lyrics"] = lyrics.where(rng.random(TRACKS) > 0.3)
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    return Corpus.open(folder / "corpus")


def trained(corpus: Corpus, folder: Path, task: str) -> Run:
    settings = {"lyrics_lstm": WORDS}
    encoders = corpus_encoders(corpus, "lyrics=lyrics_lstm,meta=tabular", settings=settings)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    training = TrainingConfig(
        epochs=2,
        batch_size=16,
        max_learning_rate=0.01,
        ensemble=2,
        coverage=0.8,
        decoding="macro-f1",
    )
    split = make_split("random", corpus, validation=0.5)
    made = new_run(folder, corpus, encoders, split, task=task, training=training)
    train(made, corpus)
    return made


@pytest.fixture(scope="module")
def songs() -> list[Track]:
    """Others than the corpus', one of which is on the border of its prediction set."""
    rng = np.random.default_rng(1)

    def song(number: int) -> Track:
        values = {"artist_popularity": rng.uniform(5, 95), "tempo": rng.uniform(100, 140)}
        fields = {name: value for name, value in values.items() if rng.random() > 0.2}
        words = f"{'day' if number % 2 else 'night'} {number} of the road"
        lyrics = words if rng.random() > 0.3 or not fields else None
        return Track(f"s{number}", fields=fields, lyrics=lyrics)

    return [song(number) for number in range(TRACKS)]


@pytest.fixture(scope="module")
def said(corpus: Corpus, songs: list[Track], tmp_path_factory: pytest.TempPathFactory) -> Said:
    """Trains an ensemble for a task once; its folder, and its predictions."""

    @functools.cache
    def of(task: str) -> tuple[Path, list[TrackPrediction]]:
        run = trained(corpus, tmp_path_factory.mktemp("runs") / task, task)
        return run.folder, Predictor(Run(run.folder)).predict(songs)

    return of


# The graph of `web` is that of `onnx`; tests/export/test_formats.py has the others of an ensemble.
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(name, marks=[] if name == "onnx" else [pytest.mark.nightly])
        for name in FORMATS
        if name != "web"
    ],
)
@pytest.mark.parametrize("task", ["tiers-5", pytest.param("regression", marks=pytest.mark.nightly)])
def test_an_ensemble_says_the_same_in_every_format(
    task: str, kind: str, said: Said, songs: list[Track], tmp_path: Path
) -> None:
    run, wanted = said(task)
    assert len(Run(run).config.members) == 2
    bundle = export_run(Run(run), tmp_path / "bundle", kind=kind).folder
    card = (bundle / "README.md").read_text()
    assert "average of 2 trainings with the seeds 0, 1" in card
    assert ("overconfident" in card) == (task != "regression")
    given = Predictor(Bundle(bundle)).predict(songs)
    assert len(given) == TRACKS
    for ours, theirs in zip(given, wanted, strict=True):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-5)
        assert ours.popularity == pytest.approx(theirs.popularity, abs=1e-3)
        assert ours.interval == pytest.approx(theirs.interval, abs=1e-3)
        assert (ours.tier_label, ours.tier_set) == (theirs.tier_label, theirs.tier_set)
        assert (ours.missing, ours.missing_parts) == (theirs.missing, theirs.missing_parts)
