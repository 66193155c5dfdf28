"""A column that is empty in the training part counts as unknown afterwards, and the run says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.tracks import Track
from deephits_keras.training.workflow import evaluation

pytestmark = pytest.mark.usefixtures("eager")

TRACKS = 60
UNSEEN = {"artist_popularity": 63.0, "key": 4.0, "mode": 1.0}
LATE = ("artist_popularity", "key", "genre")


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unseen")
    draw = np.random.default_rng(1)
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": draw.integers(0, 101, TRACKS),
            "tempo": draw.uniform(60, 180, TRACKS).round(2),
            "energy": draw.uniform(0, 1, TRACKS).round(3),
            **dict.fromkeys(UNSEEN),
        }
    )
    songs.to_csv(folder / "songs.csv", index=False)
    dh.import_table(folder / "songs.csv", folder / "corpus")
    return folder / "corpus"


@pytest.mark.parametrize("encoder", ["numeric", "tabular", "scaled_fields"])
def test_a_column_that_training_never_saw_counts_as_unknown(
    encoder: str, corpus_folder: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    trained = deephits(
        "train", corpus_folder, run, f"--modalities=meta={encoder}", "--epochs=1", "--task=tiers-3"
    )
    assert trained.code == 0, trained.err
    assert "Columns that training never saw" in trained.out
    unseen = json.loads((run / "metrics.json").read_text())["unseen_columns"]["meta"]
    assert set(UNSEEN) <= set(unseen)
    assert not {"tempo", "energy"} & set(unseen)
    assert "artist_popularity" in (run / "report.html").read_text()

    known = {"tempo": 120.0, "energy": 0.5}
    tracks = [Track("plain", fields=known), Track("more", fields={**known, **UNSEEN})]
    predictor = Predictor(dh.Run(run))
    plain, more = predictor.predict(tracks)
    assert more.scores == plain.scores
    assert more.popularity == plain.popularity
    assert plain.unseen == {}
    assert set(more.unseen["meta"]) == set(UNSEEN)


def test_prediction_says_once_what_training_never_saw(
    corpus_folder: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    run = dh.train(
        corpus_folder, tmp_path / "run", modalities="meta", training={"epochs": 1}
    ).folder
    told = "artist_popularity counts as unknown: training never saw it"
    one = deephits("predict", run, "--set", "tempo=120", "--set", "artist_popularity=63")
    assert f"warning      {told}" in one.out
    assert told not in deephits("predict", run, "--set", "tempo=120").out
    in_json = deephits(
        "predict", run, "--set", "tempo=120", "--set", "artist_popularity=63", "--json"
    )
    assert json.loads(in_json.out)["unseen"] == {"meta": ["artist_popularity"]}

    songs = tmp_path / "songs.csv"
    songs.write_text("track_id,tempo,artist_popularity\na,100,50\nb,120,60\nc,130,70\n")
    table = deephits("predict", run, "--table", songs)
    assert table.err.count(told) == 1
    assert told not in table.out


def test_what_only_held_out_tracks_have_counts_as_unknown_in_evaluation_too(tmp_path: Path) -> None:
    """The newest tracks alone have an artist's popularity, as where a column was added late."""
    draw = np.random.default_rng(2)
    newest = np.arange(TRACKS) >= TRACKS - 12
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": draw.integers(0, 101, TRACKS),
            "release_date": [f"{1960 + n}-01-01" for n in range(TRACKS)],
            "tempo": draw.uniform(60, 180, TRACKS).round(2),
            "energy": draw.uniform(0, 1, TRACKS).round(3),
            "artist_popularity": np.where(newest, 90, np.nan),
            "key": np.where(newest, 4, np.nan),
            "genre": np.where(newest, "pop", None),
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    songs.drop(columns=list(LATE)).to_csv(tmp_path / "without.csv", index=False)
    scored = {}
    for name in ("songs", "without"):
        corpus = dh.import_table(tmp_path / f"{name}.csv", tmp_path / f"{name}-corpus").corpus
        run = dh.train(
            corpus,
            tmp_path / name,
            modalities="meta",
            training={"epochs": 1},
            split={"kind": "date"},
        )
        scored[name] = run.predictions
        again = dh.evaluate(run)["validation"]
        assert again == run.metrics["parts"]["validation"]
    pd.testing.assert_frame_equal(scored["songs"], scored["without"])

    run = dh.Run(tmp_path / "songs")
    told = "artist_popularity counts as unknown: training never saw it"
    assert told in run.metrics["warnings"]
    assert told in evaluation(run).warnings
    assert told not in evaluation(run, part="train").warnings
    held_out = run.split.parts["validation"]
    served = Predictor(run).predict(dh.Corpus.open(tmp_path / "songs-corpus").tracks(held_out))
    assert [round(p, 3) for p in scored["songs"]["predicted_popularity"]] == pytest.approx(
        [p.popularity for p in served], abs=1e-3
    )
