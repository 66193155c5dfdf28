"""Series of trainings: each language left out, and ways to adapt over rolling origins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.errors import UserError
from deephits_keras.runs.run import Run
from deephits_keras.training.series import (
    WAYS,
    compare_adaptation,
    leave_one_out,
    plan_leave_one_out,
)

TRACKS = 480
OPTIONS: dict[str, Any] = {
    "modalities": "meta=numeric",
    "settings": {"numeric": {"columns": ("energy",), "units": 8}},
    "task": "tiers-3",
}
TRAINING = {"epochs": 8, "batch_size": 16, "max_learning_rate": 0.05}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Energy makes songs popular, until 2005; from then on it makes them unpopular."""
    folder = tmp_path_factory.mktemp("series")
    draw = np.random.default_rng(0)
    energy = draw.uniform(0, 1, TRACKS)
    year = np.sort(draw.integers(1960, 2020, TRACKS))
    popularity = 100 * np.where(year < 2000, energy, 1 - energy)
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(TRACKS)],
            "popularity": popularity.round(1),
            "energy": energy,
            "release_year": year,
            "language": np.where(np.arange(TRACKS) % 3 == 0, "es", "en"),
            "label": "x",
        }
    ).to_csv(folder / "songs.csv", index=False)
    return import_table(folder / "songs.csv", folder / "corpus").corpus


def test_each_language_is_left_out_once(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    words = ["train", corpus.folder, tmp_path / "out", "--modalities", "meta=numeric"]
    words += ["--numeric-columns", "energy", "--task", "tiers-3", "--epochs", "1"]
    words += ["--split", "group", "--by", "language", "--json"]
    outcome = deephits(*words)
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["rows"]
    assert [(row["name"], row["tracks"]) for row in rows] == [("en", 320), ("es", 160)]
    assert rows == json.loads((tmp_path / "out" / "results.json").read_text())
    told = corpus.column("language").to_numpy()
    for row in rows:
        run = Run(tmp_path / "out" / row["name"])
        assert set(told[run.split.parts["test"]]) == {row["name"]}
        rest = np.concatenate([run.split.parts[part] for part in ("train", "validation")])
        assert row["name"] not in told[rest]
        assert run.config.split["held_out"] == row["name"]
        own = run.metrics["parts"]["test"]["tiers-3"]["accuracy"]
        assert row["metrics"]["accuracy"]["value"] == pytest.approx(own)
        page = " ".join((run.folder / "report.html").read_text().split())
        assert f"No track whose language is {row['name']} was used for training" in page
    # What is finished is as it was.
    made = (tmp_path / "out" / "en" / "model.keras").stat().st_mtime_ns
    table = deephits(*words[:-1])
    assert "held-out language" in table.out
    assert (tmp_path / "out" / "en" / "model.keras").stat().st_mtime_ns == made
    other = deephits(*words[:-1], "--seed", "1")
    assert other.code == 2
    assert "is a run with another training (seed 0, not 1), another split" in other.err
    # Before anything is trained.
    assert "is held out" not in other.err
    misspelt = deephits(
        "train", corpus.folder, tmp_path / "no", "--split", "group", "--by", "langauge"
    )
    assert misspelt.code == 2
    assert "no column 'langauge' (did you mean language?)" in misspelt.err


def test_no_origin_is_trained_if_a_later_one_cannot_be(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="before 2090 and 0 in the 5 years"):
        compare_adaptation(corpus, tmp_path / "out", origins=[1990, 2090], **OPTIONS)
    assert not (tmp_path / "out").exists()


def test_a_column_of_one_value_leaves_nothing_to_train_on(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"at least two need 20 tracks.*x \(480\)"):
        leave_one_out(corpus, tmp_path / "out", by="label", **OPTIONS)


def test_values_that_are_no_names_of_folders_are_told_apart(tmp_path: Path) -> None:
    values = ["r&b", "R/B", "..", "pop"]
    table = pd.DataFrame({"popularity": range(100), "genre": values * 25, "tempo": range(100)})
    table["track_id"] = [f"t{n}" for n in range(100)]
    table.to_csv(tmp_path / "songs.csv", index=False)
    corpus = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    plans = plan_leave_one_out(corpus, tmp_path / "out", by="genre", modalities="meta")
    folders = {plan.folder for plan in plans.values()}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path / "out"}


@pytest.mark.nightly
def test_who_adapts_follows_a_change_and_who_does_nothing_does_not(
    corpus: Corpus, tmp_path: Path
) -> None:
    """Half of the training songs before 2015 are of the new kind, most before 2000 of the old."""
    rows = compare_adaptation(
        corpus,
        tmp_path / "out",
        origins=[1990, 2015],
        further={"max_learning_rate": 0.02},
        rehearsal=0.1,
        training=TRAINING,
        **OPTIONS,
    )
    found = {(row.name, row.way): row for row in rows}
    assert set(found) == {(origin, way) for origin in ("1990", "2015") for way in WAYS[:4]}
    at_first = {found["1990", way].metrics["accuracy"].value for way in ("nothing", "anew")}
    assert len(at_first) == 1
    assert at_first.pop() > 0.7
    late = {way: found["2015", way] for way in WAYS[:-1]}
    assert len({row.tracks for row in late.values()}) == 1
    assert late["nothing"].metrics["accuracy"].high < 0.5
    further = Run(tmp_path / "out" / "further-2015")
    assert further.config.start is not None
    assert further.config.start.run.endswith("anew-1990")
    assert further.config.start.seen == {"test": 0, "validation": 0}
    assert further.config.training.max_learning_rate == 0.02
    online = Run(tmp_path / "out" / "online-2015")
    assert online.config.split["since"] == 1990
    years = corpus.column("release_year").to_numpy()[online.split.parts["train"]]
    assert (years < 1990).mean() == pytest.approx(0.1, abs=0.1)
    assert late["online"].metrics["accuracy"].value > late["nothing"].metrics["accuracy"].high
    with pytest.raises(UserError, match="At least two ascending origins"):
        compare_adaptation(corpus, tmp_path / "out", origins=[2015, 1990])
