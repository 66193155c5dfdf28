"""`train --from RUN`: the model continues as it was, on tracks that it hasn't seen."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus, import_table
from deephits_keras.corpus.splits import make_split
from deephits_keras.errors import UserError
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import training_features
from deephits_keras.runs.run import Run
from deephits_keras.training import trainer
from deephits_keras.training.warm_model import start_model
from deephits_keras.training.warm_start import WarmStart, trained_rows
from deephits_keras.training.workflow import finish, plan_training

pytestmark = pytest.mark.usefixtures("eager")

TRACKS = 160
NUMERIC = {"numeric": {"columns": ("tempo", "energy", "valence"), "units": 8}}
ASKED: dict[str, Any] = {
    "modalities": "meta=numeric,artist=artist_history",
    "settings": NUMERIC,
    "task": "tiers-3",
}


def songs(seed: int, start: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Popularity follows the energy; tempo and valence say nothing, and tempo is shifted."""
    draw = np.random.default_rng(seed)
    energy = draw.uniform(0, 1, TRACKS)
    return pd.DataFrame(
        {
            "track_id": [f"t{start + n}" for n in range(TRACKS)],
            "popularity": np.clip(100 * energy + draw.normal(0, 5, TRACKS), 0, 100).round(1),
            "energy": energy,
            "valence": draw.uniform(0, 1, TRACKS),
            "tempo": draw.uniform(60, 180, TRACKS) + shift,
            "title": [f"Song {start + n}" for n in range(TRACKS)],
            "artist": [f"Artist {n % 20}" for n in range(TRACKS)],
            "release_year": [1990 + n // 8 for n in range(TRACKS)],
        }
    )


def imported(table: pd.DataFrame, folder: Path) -> Corpus:
    folder.mkdir(parents=True)
    table.to_csv(folder / "songs.csv", index=False)
    return import_table(folder / "songs.csv", folder / "corpus").corpus


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The first run never sees a valence."""
    return imported(songs(0).assign(valence=None), tmp_path_factory.mktemp("warm") / "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return imported(songs(1, TRACKS, 30.0), tmp_path_factory.mktemp("warm") / "new")


@pytest.fixture(scope="module")
def first(old: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("warm") / "first"
    training = {"epochs": 12, "batch_size": 16, "max_learning_rate": 0.03}
    return dh.train(old, folder, **ASKED, training=training)


@pytest.fixture(scope="module")
def frozen(first: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On the first run's songs, some without an artist; interrupted after its first epoch."""
    folder = tmp_path_factory.mktemp("warm")
    table = songs(0)
    table.loc[::4, "artist"] = None
    corpus = imported(table, folder / "lacking")
    asked: dict[str, Any] = {"start_from": first, "freeze": "meta", "seed": 7}
    with pytest.raises(UserError, match=r"\(compared by ids\)"):
        plan_training(corpus, folder / "run", **asked)
    training = {"epochs": 2, "batch_size": 64, "max_learning_rate": 1e-3}
    plan = plan_training(corpus, folder / "run", **asked, training=training, allow_seen_tracks=True)

    def stop(metrics: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(plan.begin(), corpus, report=stop)
    return finish(Run(folder / "run"), corpus)


def test_a_training_begins_with_the_earlier_model(first: Run, new: Corpus, tmp_path: Path) -> None:
    plan = plan_training(new, tmp_path / "run", start_from=first, training={"batch_size": 64})
    run, start = plan.begin(), plan.start
    assert start is not None
    assert (start.kept, start.fitted, start.frozen) == (("meta",), ("artist",), ())
    assert (start.seen, start.compared_by) == ({"validation": 0}, "songs")
    assert Run(run.folder).config.start == start
    assert (run.config.task, run.config.training.batch_size) == ("tiers-3", 64)
    rows = run.split.parts["train"]
    store = FeatureStore.open(new, run.encoders["artist"])
    run.encoders["artist"].adapt(training_features(store, rows, popularity=new.popularity))
    model = start_model(run, start)
    weights = {w.path: np.asarray(w) for w in first.model.weights}
    assert {w.path for w in model.weights} == set(weights)
    for weight in model.weights:
        np.testing.assert_array_equal(weight, weights[weight.path], err_msg=weight.path)
    # Kept: the scaling. Not kept: the songs that artist_history looks up.
    branches = [m.get_layer("meta").get_config() for m in (first.model, model)]
    assert branches[0] == branches[1]
    songs_of = [
        m.get_layer("artist").get_layer("earlier_songs").songs for m in (first.model, model)
    ]
    assert songs_of[0] != songs_of[1]


def test_frozen_branches_stay_and_others_learn(first: Run, frozen: Run) -> None:
    before = {w.path: np.asarray(w) for w in first.model.weights}
    changed = {
        w.path
        for w in frozen.model.weights
        if w.path not in before or (np.asarray(w) != before[w.path]).any()
    }
    assert not {path for path in changed if path.startswith(("meta/", "meta_missing/"))}
    assert any(path.startswith("artist/") for path in changed)
    # The first run had an artist for every song.
    assert not first.config.modalities["artist"].learned_missing
    assert set(before) == {w.path for w in frozen.model.weights} - {"artist_missing/vector"}
    assert 0 < np.abs(frozen.model.get_layer("artist_missing").vector).max() < 0.1
    # The finished model is like any other: it can be trained further, whole.
    trainable = len(first.model.trainable_weights)
    assert len(frozen.model.trainable_weights) == trainable + 1
    assert [b.parameters for b in frozen.architecture.branches] == [
        b.parameters for b in first.architecture.branches
    ]
    assert len(frozen.history) == 2


def test_a_run_tells_what_it_started_from(first: Run, frozen: Run) -> None:
    # What was learned holds.
    accuracy = frozen.metrics["parts"]["validation"]["tiers-3"]["accuracy"]
    assert accuracy > frozen.baselines["majority"]["tiers-3"]["accuracy"] + 0.2
    # The kept scaling knows no valence, which the new corpus has.
    assert frozen.unseen_columns == first.unseen_columns == {"meta": ("valence",)}
    page = (frozen.folder / "report.html").read_text()
    for told in ("valence counts as unknown", "of the validation tracks are training tracks of"):
        assert any(told in warning for warning in frozen.metrics["warnings"])
        assert told in page
    assert "Training started from the model of" in page


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"task": "regression"}, "task is tiers-3, not regression"),
        ({"modalities": "meta"}, "the modalities are meta, artist, not meta"),
        ({"modalities": "meta=tabular,artist"}, "the encoder of meta is numeric, not tabular"),
        ({"settings": {"meta": {"units": 9}}}, "units of numeric is 8, not 9"),
        ({"fusion": {"name": "late"}}, "fusion is .*, not late"),
        ({"recipe": "paper"}, "recipe is .*, not paper"),
        ({"freeze": "meat"}, r"no modality 'meat' that could be frozen \(did you mean meta"),
    ],
)
def test_another_model_is_refused(
    asked: dict[str, Any], told: str, first: Run, new: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        plan_training(new, tmp_path / "run", start_from=first.folder, **asked)


def test_equal_settings_may_be_repeated(first: Run, new: Corpus, tmp_path: Path) -> None:
    plan = plan_training(new, tmp_path / "run", start_from=first, **ASKED, freeze=["artist"])
    assert plan.start is not None
    assert plan.start.frozen == ("artist",)
    assert plan.choices.training.epochs == first.config.training.epochs


def test_the_command_refuses_before_tensorflow(first: Run, new: Corpus, tmp_path: Path) -> None:
    words = ["train", str(new.folder), "run", "--from", str(first.folder)]
    code = (
        "import sys\n"
        "from deephits_keras.cli import main\n"
        f"for words in ({[*words, '--task', 'tiers-5']!r}, {[*words, '--freeze', 'mel']!r},\n"
        f"    {[words[0], str(first.config.corpus['folder']), *words[2:], '--seed', '7']!r}):\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code == 2 and 'tensorflow' not in sys.modules, words\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for told in ("task is tiers-3, not tiers-5", "no modality 'mel'", "are training tracks of"):
        assert told in done.stderr


def test_tracks_that_the_run_was_trained_on_are_no_test(
    first: Run, old: Corpus, tmp_path: Path
) -> None:
    same = plan_training(old, tmp_path / "run", start_from=first)
    assert same.start is not None
    assert same.start.seen == {"validation": 0}
    assert same.start.compared_by == "rows"
    other = make_split("random", old, seed=7)
    wrong = len(np.intersect1d(other.parts["validation"], first.split.parts["train"]))
    assert wrong > 10
    with pytest.raises(
        UserError, match=f"{wrong} of 32 validation tracks .* again .--split random --seed 0, and"
    ):
        plan_training(old, tmp_path / "run", start_from=first, seed=7)
    plan = plan_training(old, tmp_path / "run", start_from=first, seed=7, allow_seen_tracks=True)
    assert f"{wrong} of the validation tracks are training tracks of" in plan.notes[0]
    # By time only the newest songs before the origin can be seen ones: fewer of them are not.
    parts = {**other.parts, "test": first.split.parts["validation"]}
    rolling = dataclasses.replace(other, kind="rolling", parts=parts)
    with pytest.raises(UserError, match="a smaller --validation, or --since"):
        WarmStart.open(first).record(old, rolling)


def test_runs_before_the_first_count(frozen: Run, first: Run, old: Corpus, tmp_path: Path) -> None:
    rows, way = trained_rows(frozen, old, require_all=True)
    assert way == "ids"
    union = np.union1d(first.split.parts["train"], frozen.split.parts["train"])
    np.testing.assert_array_equal(np.flatnonzero(rows), union)
    with pytest.raises(UserError, match=r"are training tracks of .* or of a run before it"):
        plan_training(old, tmp_path / "next", start_from=frozen, seed=7)


def test_tracks_of_another_corpus_are_compared(
    first: Run, old: Corpus, new: Corpus, tmp_path: Path
) -> None:
    trained = first.split.parts["train"]
    longer = pd.concat([songs(1, TRACKS), songs(0)])
    by_ids = imported(longer, tmp_path / "ids")
    rows, way = trained_rows(first, by_ids, require_all=True)
    assert way == "ids"
    np.testing.assert_array_equal(np.flatnonzero(rows), TRACKS + trained)
    renamed = longer.assign(
        track_id=[f"x{n}" for n in range(len(longer))],
        title=longer["title"] + " - Remastered 2011",
    )
    rows, way = trained_rows(first, imported(renamed, tmp_path / "songs"), require_all=True)
    assert way == "songs"
    np.testing.assert_array_equal(np.flatnonzero(rows), TRACKS + trained)
    nameless = imported(renamed.drop(columns="title"), tmp_path / "nameless")
    rows, way = trained_rows(first, nameless, require_all=True)
    assert (rows.any(), way) == (False, "nothing")
    notes = plan_training(nameless, tmp_path / "run", start_from=first).notes
    assert any("Nobody can say" in note for note in notes)


def test_a_run_before_that_is_gone_is_told(frozen: Run, first: Run, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(frozen.folder, again)
    config = (again / "config.json").read_text()
    (again / "config.json").write_text(config.replace(str(first.folder), str(tmp_path / "gone")))
    corpus = frozen.require()
    with pytest.raises(UserError, match="is gone or was replaced"):
        plan_training(corpus, tmp_path / "run", start_from=again)
    plan_training(corpus, tmp_path / "run", start_from=again, allow_seen_tracks=True)


def test_options_of_a_warm_start_need_one(
    new: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    told = deephits("train", new.folder, tmp_path / "run", "--freeze", "meta")
    assert told.code == 2
    assert "--freeze and --allow-seen-tracks are for a training --from RUN" in told.err


def test_the_run_must_be_finished_and_of_one_model(first: Run, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(first.folder, again)
    (again / "checksums.json").unlink()
    with pytest.raises(UserError, match="isn't finished"):
        WarmStart.open(again)
