"""`deephits explain` on a small run whose popularity follows one column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.explanation.permutation import importances
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.trainer import new_run, train

TRACKS = 120
TRAINING = TrainingConfig(epochs=15, batch_size=16, max_learning_rate=0.01, select="loss")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("explained")
    rng = np.random.default_rng(5)
    artist = rng.uniform(0, 100, TRACKS)
    known = rng.random(TRACKS) > 0.2
    pd.DataFrame(
        {
            "track_id": [f"../<b>t{n:03}" for n in range(TRACKS)],
            "popularity": artist.round(),
            "artist_popularity": artist,
            "tempo": np.where(known, rng.uniform(60, 180, TRACKS), np.nan),
            "key": rng.integers(-1, 12, TRACKS),
        }
    ).to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    return Corpus.open(folder / "corpus")


@pytest.fixture(scope="module", params=["tiers-3", "regression"])
def run(request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("runs") / request.param
    columns = ("artist_popularity", "tempo", "valence", "key")
    encoders = corpus_encoders(corpus, "meta", {"meta": {"columns": columns}})
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    split = make_split("random", corpus, validation=0.3)
    train(new_run(folder, corpus, encoders, split, task=request.param, training=TRAINING), corpus)
    return folder


def assert_loads_nothing(page: str) -> None:
    assert "<script" not in page
    assert all(
        uri.startswith("data:image/svg+xml;base64,") for uri in re.findall(r'src="(.+?)"', page)
    )
    assert not re.search(r"https?://|@import|url\(", page)


@pytest.mark.backends
def test_a_track_is_explained_by_parts_that_add_up(
    run: Path, corpus: Corpus, deephits: Callable[..., Any], tmp_path: Path
) -> None:
    track_id = corpus.track_ids[0]
    outcome = deephits("explain", run, "--track", track_id, "--out", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    parts = told["modalities"]["meta"]["parts"]
    difference = told["score"] - told["baseline_score"]
    assert sum(p["contribution"] for p in parts) == pytest.approx(difference, rel=0.01)
    assert told["completeness_error"] < 0.01
    if told["target"] == "popularity":
        assert told["score"] == pytest.approx(told["prediction"]["popularity"], abs=0.01)
    else:
        label = told["prediction"]["tier_label"]
        assert told["target"] == f"score of tier {label}"
        assert told["score"] == pytest.approx(told["prediction"]["scores"][label], abs=1e-5)
    # The id leads out of the folder and into the page: it does neither.
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"track-_b_t000.html", "track-_b_t000.json"}
    assert json.loads((tmp_path / "track-_b_t000.json").read_text()) == told
    page = (tmp_path / "track-_b_t000.html").read_text()
    assert_loads_nothing(page)
    assert "../&lt;b&gt;t000" in page
    assert "artist_popularity" in page
    assert "SYNTHETIC" not in page


def test_a_song_is_explained_by_the_field_that_counts(
    run: Path, deephits: Callable[..., Any]
) -> None:
    outcome = deephits(
        "explain", run, "--set", "artist_popularity=95", "--set", "tempo=90", "--json"
    )
    told = json.loads(outcome.out)
    parts = {p["name"]: p for p in told["modalities"]["meta"]["parts"]}
    assert max(parts, key=lambda name: abs(parts[name]["contribution"])) == "artist_popularity"
    assert parts["artist_popularity"]["contribution"] > 0
    assert parts["valence"] == {
        "name": "valence",
        "contribution": 0,
        "value": "unknown",
        "empty": True,
    }
    plain = deephits("explain", run, "--set", "artist_popularity=95", "--set", "energy=0.5")
    ignored = "energy is ignored: no encoder of this run reads it"
    assert ignored in plain.err
    assert ignored in (run / "explain" / "track-track.html").read_text()
    assert f"{run / 'explain' / 'track-track'}.html" in plain.out
    assert "artist_popularity = 95" in plain.out


def test_the_field_that_counts_is_the_important_one(
    run: Path, deephits: Callable[..., Any]
) -> None:
    outcome = deephits("explain", run, "--repeats", 5, "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    main = next(iter(told["metrics"]))
    fields = {name: of[main]["mean"] for name, of in told["fields"]["meta"].items()}
    assert max(fields, key=lambda name: fields[name]) == "artist_popularity"
    deviation = told["fields"]["meta"]["artist_popularity"][main]["deviation"]
    assert fields["artist_popularity"] > 3 * deviation > 0
    # Columns that the corpus lacks are unknown everywhere: nothing changes.
    assert fields["valence"] == pytest.approx(0, abs=1e-6)
    # The only modality is all of the input.
    assert told["modalities"]["meta"][main]["mean"] > 0.5 * fields["artist_popularity"]
    assert_loads_nothing((run / "explain" / "importance.html").read_text())


def test_importance_starts_from_the_runs_own_metrics_and_repeats_itself(
    run: Path, corpus: Corpus
) -> None:
    found = importances(Run(run), corpus, repeats=3, seed=1)
    metrics = json.loads((run / "metrics.json").read_text())["parts"]["validation"]
    if "accuracy" in found.metrics:
        assert found.metrics["macro_f1"] == metrics["tiers-3"]["macro_f1"]
    else:
        assert found.metrics["mae"] == pytest.approx(metrics["regression"]["mae"], rel=1e-5)
    again = importances(Run(run), corpus, repeats=3, seed=1)
    assert again.to_json() == found.to_json()
    other = importances(Run(run), corpus, repeats=3, seed=2)
    assert other.to_json() != found.to_json()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--track", "nobody"), "no track 'nobody'"),
        (("--track", "x", "--set", "tempo=1"), "not both"),
        (("--part", "dress"), "no part 'dress'"),
        (("--part", "train", "--set", "tempo=1"), "--part"),
        (("missing.mp3",), "no file missing.mp3"),
        (("--set", "tempo=nan"), "every input is missing"),
        (("--set", "tmpo=80"), "no encoder of this run reads the field 'tmpo' (did you mean"),
        (("--set", "artist_popularity=300"), "artist_popularity is not from 0 to 100: 300"),
        (("--input", "cover=front.jpg"), "reads an input called 'cover'"),
        (("--repeats", "1"), "--repeats"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    run: Path, deephits: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    outcome = deephits("explain", run, *arguments)
    assert outcome.code == 2
    assert message.casefold() in outcome.err.casefold()
