"""Where the label depends on one modality only, the model finds it there and nowhere else.

The sample's music, texts and metadata are the same for every planted cause; only the popularity
differs. Judged by the correlation of predicted and true popularity on n = 55 held-out tracks: an
uninformed prediction's correlation has a standard deviation of about 1 / sqrt(n - 1) = 0.14, so
0.4 is nearly three of them away from nothing. Where nothing may be found these are test tracks,
as the best of 30 epochs on the validation tracks is above chance there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, Split, import_spotgentrack, make_split
from deephits_keras.explanation.permutation import importances
from deephits_keras.explanation.track import TrackExplainer
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.sample.tables import draw_tables
from deephits_keras.training.trainer import new_run, train

SETTINGS = {"mel": {"frames": 96, "mel_bands": 32}}
TRAINING = TrainingConfig(epochs=30, batch_size=16, max_learning_rate=0.01, select="loss")
BEYOND_CHANCE = 0.4
HELD_OUT = 55
EXPLAINED = 3


pytestmark = pytest.mark.nightly
"""That these branches learn is tested in tests/audio and tests/plugins, too, and faster."""


@pytest.fixture(scope="module", params=["audio", "lyrics", "meta"])
def planted(request: pytest.FixtureRequest, sample: Path, tmp_path_factory) -> tuple[str, Corpus]:
    folder = tmp_path_factory.mktemp(request.param)
    raw = folder / "raw"
    shutil.copytree(sample, raw, ignore=shutil.ignore_patterns("previews"))
    table = raw / "Data Sources" / "spotify_tracks.csv"
    tracks = len(pd.read_csv(table))
    draw_tables(tracks, 1, request.param).tracks.to_csv(table, index=True, encoding="utf-8-sig")
    import_spotgentrack(raw, folder / "corpus", audio=sample / "previews")
    return request.param, Corpus.open(folder / "corpus")


def trained(corpus: Corpus, modalities: str, folder: Path, test: float = 0.0) -> Run:
    settings = SETTINGS if "mel" in modalities else {}
    encoders = corpus_encoders(corpus, modalities, settings)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    split = make_split("random", corpus, seed=0, validation=0.3, test=test)
    run = new_run(folder, corpus, encoders, split, task="regression", training=TRAINING)
    train(run, corpus)
    return run


def correlation(run: Run, part: str) -> float:
    predicted = pd.read_parquet(run.folder / "predictions.parquet").query("part == @part")
    assert len(predicted) == HELD_OUT
    return float(np.corrcoef(predicted["popularity"], predicted["predicted_popularity"])[0, 1])


MODALITY = {"audio": "mel", "lyrics": "lyrics", "meta": "meta"}


@pytest.fixture(scope="module")
def run_of_all(planted: tuple[str, Corpus], tmp_path_factory: pytest.TempPathFactory) -> Run:
    _, corpus = planted
    return trained(corpus, "mel,lyrics,meta", tmp_path_factory.mktemp("all") / "run")


def test_the_planted_modality_is_found(run_of_all: Run) -> None:
    assert correlation(run_of_all, "validation") > BEYOND_CHANCE


def test_nothing_is_found_without_it(planted: tuple[str, Corpus], tmp_path: Path) -> None:
    cause, corpus = planted
    others = ",".join(m for m in MODALITY.values() if m != MODALITY[cause])
    run = trained(corpus, others, tmp_path / "run", test=0.3)
    assert correlation(run, "test") < BEYOND_CHANCE


def test_permutation_importance_is_where_the_cause_is(
    planted: tuple[str, Corpus], run_of_all: Run
) -> None:
    cause, corpus = planted
    found = importances(run_of_all, corpus, repeats=5)
    means = {i.name: i.worsening["mae"].mean() for i in found.modalities}
    assert max(means, key=lambda name: means[name]) == MODALITY[cause]


def test_contributions_are_where_the_cause_is(planted: tuple[str, Corpus], run_of_all: Run) -> None:
    """What a modality contributes follows its cause; what the others do is noise about nothing."""
    cause, corpus = planted
    rows = Split.from_parquet(run_of_all.folder / "split.parquet").parts["validation"]
    explainer = TrackExplainer(Predictor(run_of_all))
    explained = [explainer.explain(track) for track in corpus.tracks(rows[:EXPLAINED])]
    # As a share of what tracks differ by: one that hardly differs is never explained to a hundredth
    # of its own difference, at the most pieces that a path is cut into.
    differences = np.array([abs(e.attribution.difference) for e in explained])
    misses = differences * [e.attribution.error for e in explained]
    assert misses.mean() < 0.01 * differences.mean()
    sizes = pd.DataFrame(
        [{m.modality: abs(m.contribution) for m in e.modalities} for e in explained]
    )
    assert sizes.mean().idxmax() == MODALITY[cause]
