"""A training is planned without Keras: its split and what can't be promised of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.workflow import plan_training


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(60)],
            "popularity": [n % 100 for n in range(60)],
            "release_year": [1980 + n % 30 for n in range(60)],
            "tempo": [90 + n for n in range(60)],
            "language": ["en", "es", "de"] * 20,
            "artist": [f"Artist {n}" for n in range(58)] + ["X & Y", "Y & Z"],
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    return import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus


def planned(corpus: Corpus, tmp_path: Path, **split: Any) -> Any:
    return plan_training(corpus, tmp_path / "run", modalities="meta", task="tiers-3", split=split)


def test_rolling_and_group_splits_are_planned(corpus: Corpus, tmp_path: Path) -> None:
    rolling = planned(corpus, tmp_path, kind="rolling", origin=2000, horizon=5).split
    assert len(rolling.parts["test"]) == 10
    group = planned(corpus, tmp_path, kind="group", by="language", held_out="es").split
    assert len(group.parts["test"]) == 20


def test_what_a_split_by_artist_cannot_promise_is_noted(corpus: Corpus, tmp_path: Path) -> None:
    seen = {
        note
        for seed in range(8)
        for note in plan_training(
            corpus,
            tmp_path / "run",
            modalities="meta",
            task="tiers-3",
            seed=seed,
            split={"kind": "artist", "validation": 0.3},
        ).notes
    }
    # Nobody knows whether "X & Y" and "Y & Z" share an artist: none of them stands alone.
    assert any("may share an artist with training" in note for note in seen)
    assert planned(corpus, tmp_path, kind="random").notes == []


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"fold": 3}, "--fold is for --split kfold, and has no effect on random"),
        ({"kind": "artist", "origin": 2000}, "--origin is for --split rolling"),
        ({"kind": "rolling", "origin": 2000, "by": "language"}, "--by is for --split group"),
        ({"tests": 0.2}, "A split has no tests. It has: kind, validation, test"),
    ],
)
def test_what_has_no_effect_on_a_split_is_refused(
    split: dict[str, Any], told: str, corpus: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        planned(corpus, tmp_path, **split)


@pytest.mark.parametrize(("name", "loss"), [("focal_gamma", "focal"), ("rank_weight", "rank")])
def test_a_setting_of_another_loss_is_refused(
    name: str, loss: str, corpus: Corpus, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"modalities": "meta", "task": "regression"}
    with pytest.raises(UserError, match=f"{name} is for the loss {loss}, and has no effect"):
        plan_training(corpus, tmp_path / "run", training={name: 0.7}, **asked)
    # A whole configuration has a value for every setting: its defaults are nobody's mistake.
    plan_training(corpus, tmp_path / "run", training=TrainingConfig(), **asked)


def test_the_command_tells_what_a_split_lacks_before_keras(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    words = ("train", corpus.folder, tmp_path / "run", "--modalities", "meta", "--split")
    assert "needs --origin" in deephits(*words, "rolling").err
    told = deephits(*words, "group", "--by", "language", "--held-out", "fr")
    assert told.code == 2
    assert "Most frequent: en (20), es (20), de (20)" in told.err


def test_modalities_that_no_track_has_are_left_out_unless_asked_for(
    corpus: Corpus, tmp_path: Path
) -> None:
    as_it_comes = plan_training(corpus, tmp_path / "run")
    assert list(as_it_comes.encoders) == ["meta"]
    assert "mel is left out: no track has audio that mel_cnn reads" in as_it_comes.notes
    assert set(as_it_comes.record["left_out"]) == {"mel", "lyrics"}
    asked = plan_training(corpus, tmp_path / "run", modalities="mel,meta")
    assert list(asked.encoders) == ["mel", "meta"]
    (note,) = asked.notes
    assert note.startswith("mel was asked for, but no track has audio that mel_cnn reads: ")
    assert set(asked.record["empty"]) == {"mel"}
    with pytest.raises(UserError, match=r"nothing to train on\. mel: no track has audio"):
        plan_training(corpus, tmp_path / "run", modalities="mel")


def test_a_modality_that_the_recipe_needs_is_not_left_out(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs mel, and of mel: no track has audio"):
        plan_training(corpus, tmp_path / "run", recipe="yang2017")


def test_a_corpus_of_popularity_alone_has_nothing_to_train_on(tmp_path: Path) -> None:
    songs = pd.DataFrame({"track_id": [f"t{n}" for n in range(9)], "popularity": range(9)})
    songs.to_csv(tmp_path / "songs.csv", index=False)
    corpus = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    with pytest.raises(UserError, match=r"nothing to train on.*one of the 19 columns that tabular"):
        plan_training(corpus, tmp_path / "run")
