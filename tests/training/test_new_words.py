"""A word of a category that no training track has is told wherever a track is scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.tabular import Tabular

import deephits_keras as dh
from deephits_keras.features.words import MOST_WORDS, new_word_note, training_words
from deephits_keras.training.workflow import evaluation

TRACKS = 80
TOLD = "no training track has 'yes' as explicit, so the model can't use it; they have: "


def songs(flags: tuple[str, str]) -> pd.DataFrame:
    draw = np.random.default_rng(4)
    explicit = draw.random(TRACKS) < 0.5
    return pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": np.where(explicit, 70, 20) + draw.integers(0, 20, TRACKS),
            "tempo": draw.uniform(60, 180, TRACKS).round(2),
            "explicit": np.where(explicit, flags[1], flags[0]),
            "genre": [f"genre {n % 4}" for n in range(TRACKS)],
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dh.Run:
    folder = tmp_path_factory.mktemp("words")
    songs(("False", "True")).to_csv(folder / "songs.csv", index=False)
    corpus = dh.import_table(folder / "songs.csv", folder / "corpus").corpus
    return dh.train(
        corpus,
        folder / "run",
        task="regression",
        modalities="meta=tabular",
        training={"epochs": 2},
    )


def test_a_song_with_a_new_word_is_scored_as_without_it_and_says_so(
    run: dh.Run, deephits: Callable[..., Any]
) -> None:
    assert set(run.config.words["explicit"]) == {"False", "True"}
    assert run.metrics["warnings"] == [w for w in run.metrics["warnings"] if "as explicit" not in w]

    def asked(*values: str) -> Any:
        options = (part for value in values for part in ("--set", value))
        return json.loads(
            deephits("predict", run.folder, "--set", "tempo=120", *options, "--json").out
        )

    plain, new, known = asked(), asked("explicit=yes"), asked("explicit=TRUE")
    assert [w for w in new["warnings"] if w.startswith(TOLD)]
    assert [w for answer in (plain, known) for w in answer["warnings"] if "explicit" in w] == []
    assert new["popularity"] == plain["popularity"] != known["popularity"]


@pytest.mark.parametrize("name", ["songs.csv", "songs.parquet"])
def test_a_table_says_so_in_each_row_and_once(
    run: dh.Run, name: str, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    table, out = songs(("no", "yes")), tmp_path / "scores.csv"
    table["explicit"] = ["no", "yes", "no", *["true"] * (TRACKS - 3)]
    (table.to_csv if name.endswith("csv") else table.to_parquet)(tmp_path / name, index=False)
    told = deephits("predict", run.folder, "--table", tmp_path / name, "--out", out)
    assert told.err.count("no training track has 'no' as explicit") == 1
    assert "; 1 other word is new, too" in told.err
    answers = pd.read_csv(out)["warnings"].fillna("")
    assert answers.str.contains("as explicit").tolist() == [True] * 3 + [False] * (TRACKS - 3)


def test_a_corpus_says_so(run: dh.Run, tmp_path: Path) -> None:
    songs(("no", "yes")).to_csv(tmp_path / "songs.csv", index=False)
    corpus = dh.import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    assert [w for w in evaluation(run, corpus=corpus).warnings if "as explicit" in w]
    assert not [w for w in evaluation(run).warnings if "as explicit" in w]
    found = dh.predict(run, corpus=corpus)
    assert all(any("as explicit" in w for w in each.warnings) for each in found)
    assert any("as explicit" in note for note in found.notes)


def test_names_are_not_words(tmp_path: Path) -> None:
    """Of a field that nearly every track has its own value of, new values are usual."""
    count = MOST_WORDS + 1
    table = pd.DataFrame(
        {
            "track_id": range(count),
            "popularity": [n % 100 for n in range(count)],
            "genre": [f"Genre {n}" for n in range(count)],
            "language": ["EN", "en", "de"] * (count // 3) + ["en"] * (count % 3),
            "explicit": [1.0, None, 0.0] * (count // 3) + [1.0] * (count % 3),
        }
    )
    table.to_parquet(tmp_path / "songs.parquet")
    corpus = dh.import_table(tmp_path / "songs.parquet", tmp_path / "corpus").corpus
    words = training_words([Tabular()], corpus, np.arange(count))
    assert "genre" not in words
    assert [sorted(words[name]) for name in ("language", "explicit")] == [["EN", "de"], ["0", "1"]]


def test_a_note_suggests_a_similar_word_and_lists_few() -> None:
    note = new_word_note("genre", "hip hop", ["hip-hop", *(f"g{n}" for n in range(20))])
    assert "(did you mean hip-hop?)" in note
    assert note.endswith("g6 and 13 others")
