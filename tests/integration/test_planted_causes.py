"""Where the label depends on one modality only, the model finds it there and nowhere else.

The sample's music, texts and metadata are the same for every planted cause; only the popularity
differs. Judged by the correlation of predicted and true popularity on the validation tracks: of
n = 60 of them, an uninformed prediction's correlation has a standard deviation of about
1 / sqrt(n - 1) = 0.13, so 0.4 is three of them away from nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_spotgentrack, make_split
from deephits_keras.corpus.extraction import corpus_encoders, extract_features
from deephits_keras.sample.tables import draw_tables
from deephits_keras.training.config import TrainingConfig
from deephits_keras.training.trainer import new_run, train

SETTINGS = {"mel": {"frames": 256}}
TRAINING = TrainingConfig(epochs=30, batch_size=16, max_learning_rate=0.01, select="loss")
BEYOND_CHANCE = 0.4


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


def validation_correlation(corpus: Corpus, modalities: str, run: Path) -> float:
    encoders = corpus_encoders(corpus, modalities, SETTINGS)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=2)
    split = make_split("random", corpus, seed=0, validation=0.3)
    train(new_run(run, corpus, encoders, split, task="regression", training=TRAINING), corpus)
    predicted = pd.read_parquet(run / "predictions.parquet")
    return float(np.corrcoef(predicted["popularity"], predicted["predicted_popularity"])[0, 1])


MODALITY = {"audio": "mel", "lyrics": "lyrics", "meta": "meta"}


def test_the_planted_modality_is_found(planted: tuple[str, Corpus], tmp_path: Path) -> None:
    _, corpus = planted
    assert validation_correlation(corpus, "mel,lyrics,meta", tmp_path / "run") > BEYOND_CHANCE


def test_nothing_is_found_without_it(planted: tuple[str, Corpus], tmp_path: Path) -> None:
    cause, corpus = planted
    others = ",".join(m for m in MODALITY.values() if m != MODALITY[cause])
    assert validation_correlation(corpus, others, tmp_path / "run") < BEYOND_CHANCE
