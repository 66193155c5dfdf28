"""When columns are known: at the release, later, or on a date; splits by time ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.errors import UserError
from deephits_keras.training.workflow import plan_training

SONGS = pd.DataFrame(
    {
        "track_id": [f"t{n}" for n in range(60)],
        "popularity": np.arange(60) % 100,
        "release_date": [f"{1990 + n % 20}-06-15" for n in range(60)],
        "plays": np.arange(60),
        "tempo": 90 + np.arange(60),
        "counted": "1980-01-01",
    }
)


def imported(folder: Path, known: dict[str, str], **columns: Any) -> Corpus:
    SONGS.assign(**columns).to_parquet(folder / "songs.parquet")
    return import_table(folder / "songs.parquet", folder / "corpus", known=known).corpus


@pytest.mark.parametrize(
    ("counted", "kept"),
    [
        ("1990-06-14", True),
        ("1990-06-15", True),
        ("1990-06-16", False),
        ("1990-05", True),
        # Perhaps before the release, perhaps after it.
        ("1990-06", False),
        ("1990", False),
        ("1989", True),
        ("", False),
        ("15/06/1990", True),
        ("05.1990", False),
        ("unknown", False),
    ],
)
def test_a_value_that_may_be_later_than_the_release_is_removed(
    tmp_path: Path, counted: str, kept: bool
) -> None:
    dates = ["1980-01-01"] * 60
    dates[0] = counted
    corpus = imported(tmp_path, {"plays": "counted"}, counted=dates)
    plays = corpus.column("plays")
    assert plays.notna().tolist() == [kept] + [True] * 59
    assert plays.tolist()[1:] == list(range(1, 60))
    told = [note for note in corpus.info["notes"] if "certainly before the release" in note]
    assert told == (
        []
        if kept
        else ["1 value of plays removed: their counted isn't certainly before the release"]
    )


def test_columns_that_come_later_are_refused_by_splits_by_time(
    tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    SONGS.to_csv(tmp_path / "songs.csv", index=False)
    words = ["import", "table", tmp_path / "songs.csv", tmp_path / "corpus"]
    outcome = deephits(*words, "--known", "plays=later", "--known", "tempo=release")
    assert outcome.code == 0, outcome.err
    twice = deephits(*words, "--known", "plays=later", "--known", "plays=release")
    assert twice.code == 2
    assert "--known gives plays twice: later and release" in twice.err
    corpus = Corpus.open(tmp_path / "corpus")
    assert corpus.later == ("plays",)
    train = ["train", tmp_path / "corpus", tmp_path / "run", "--modalities", "meta"]
    train += ["--tabular-columns", "tempo,plays", "--split", "date", "--epochs", "1"]
    refused = deephits(*train)
    assert refused.code == 2
    assert "tabular (meta) reads plays" in refused.err
    assert "Train without: --tabular-columns tempo. Or add --allow-later" in refused.err
    # By the option and the columns as they were given.
    train[train.index("--tabular-columns")] = "--meta-columns"
    train[train.index("tempo,plays")] = "artist_popularity,plays"
    refused = deephits(*train)
    assert "Train without: --meta-columns artist_popularity. Or add" in refused.err
    # And of the columns that are read by default.
    imported(tmp_path, {"tempo": "later"})
    refused = deephits(*train[:-6], "--split", "date")
    assert "Train without: --tabular-columns acousticness,danceability," in refused.err
    assert ",tempo" not in refused.err.partition("Train without")[2]


def test_allowed_columns_that_come_later_are_noted_and_recorded(tmp_path: Path) -> None:
    corpus = imported(tmp_path, {"plays": "later"})
    options: dict[str, Any] = {
        "modalities": "meta",
        "settings": {"tabular": {"columns": ("tempo", "plays")}},
    }
    rolling = {"kind": "rolling", "origin": 2005}
    with pytest.raises(UserError, match="only known after a song's release"):
        plan_training(corpus, tmp_path / "run", split=rolling, **options)
    plan = plan_training(corpus, tmp_path / "run", split=rolling, allow_later=True, **options)
    assert plan.later == {"meta": ["plays"]}
    assert any("metrics are too good for songs that aren't out yet" in n for n in plan.notes)
    # A random split asks another question, and so does a model that doesn't read the column.
    assert not plan_training(corpus, tmp_path / "run", **options).later
    other = {**options, "settings": {"tabular": {"columns": ("tempo",)}}}
    assert not plan_training(corpus, tmp_path / "run", split=rolling, **other).later


def test_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'playz' \\(did you mean plays"):
        imported(tmp_path, {"playz": "later"})
    with pytest.raises(UserError, match=r"no column 'conted' \(did you mean counted\?\)"):
        imported(tmp_path, {"plays": "conted"})
    with pytest.raises(UserError, match=r"takes release, later or .*did you mean later\?"):
        imported(tmp_path, {"plays": "latter"})
    with pytest.raises(UserError, match=r"tempo isn't a column of dates: 60 of 60 .* as '90\.03'"):
        imported(tmp_path, {"plays": "tempo"}, tempo=90.03 + np.arange(60))
    with pytest.raises(UserError, match="popularity isn't an input"):
        imported(tmp_path, {"popularity": "later"})
