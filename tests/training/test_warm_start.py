"""`train --from RUN`: the model continues as it was, on tracks that it hasn't seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus, import_table
from deephits_keras.corpus.splits import make_split
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import features_of
from deephits_keras.runs.run import Run
from deephits_keras.training import trainer
from deephits_keras.training.warm_start import WarmStart, trained_rows
from deephits_keras.training.workflow import plan_training

TRACKS = 160
NUMERIC = {"numeric": {"columns": ("tempo", "energy"), "units": 8}}
ASKED: dict[str, Any] = {
    "modalities": "meta=numeric,artist=artist_history",
    "settings": NUMERIC,
    "task": "tiers-3",
}
STILL = {"epochs": 1, "max_learning_rate": 1e-12, "l2": 0.0, "batch_size": 64}


def songs(seed: int, start: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Popularity follows the energy; tempo says nothing and is shifted."""
    draw = np.random.default_rng(seed)
    energy = draw.uniform(0, 1, TRACKS)
    return pd.DataFrame(
        {
            "track_id": [f"t{start + n}" for n in range(TRACKS)],
            "popularity": np.clip(100 * energy + draw.normal(0, 5, TRACKS), 0, 100).round(1),
            "energy": energy,
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
    return imported(songs(0), tmp_path_factory.mktemp("warm") / "old")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return imported(songs(1, TRACKS, 30.0), tmp_path_factory.mktemp("warm") / "new")


@pytest.fixture(scope="module")
def first(old: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("warm") / "first"
    training = {"epochs": 12, "batch_size": 16, "max_learning_rate": 0.03}
    return dh.train(old, folder, **ASKED, training=training)


@pytest.fixture(scope="module")
def frozen(first: Run, new: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Interrupted after its first epoch and continued from its files."""
    folder = tmp_path_factory.mktemp("warm") / "frozen"
    training = {"epochs": 2, "batch_size": 64}
    plan = plan_training(new, folder, start_from=first.folder, freeze="meta", training=training)
    run = plan.begin()

    class Stop(Exception):
        pass

    def stop(metrics: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        trainer.train(run, new, report=stop)
    from deephits_keras.training.workflow import finish

    return finish(Run(folder), new)


def scores(run: Run, corpus: Corpus) -> Any:
    stores = {m: FeatureStore.open(corpus, e) for m, e in run.encoders.items()}
    return run.scorer(features_of(stores, np.arange(len(corpus))))


def test_nothing_learned_is_the_earlier_model(first: Run, new: Corpus, tmp_path: Path) -> None:
    run = dh.train(new, tmp_path / "run", start_from=first, training=STILL)
    # The songs that artist_history looks up are the new run's: its statistics differ.
    weights = {w.path: np.asarray(w) for w in first.model.weights}
    assert {w.path for w in run.model.weights} == set(weights)
    for weight in run.model.weights:
        np.testing.assert_allclose(weight, weights[weight.path], atol=1e-6, err_msg=weight.path)
    for layer in ("numeric", "scaled"):
        del layer
    old_branch, new_branch = (r.model.get_layer("meta") for r in (first, run))
    assert old_branch.get_config() == new_branch.get_config()
    looked_up = [r.model.get_layer("artist").get_layer("earlier_songs").songs for r in (first, run)]
    assert looked_up[0] != looked_up[1]
    start = run.config.start
    assert start is not None
    assert (start.kept, start.fitted, start.frozen) == (("meta",), ("artist",), ())
    assert start.seen == {"validation": 0}
    assert start.compared_by == "songs"
    assert run.config.task == "tiers-3"
    assert run.config.training.batch_size == 64
    assert "Training started from the model of" in (run.folder / "report.html").read_text()


def test_a_warm_start_knows_what_the_run_learned(first: Run, new: Corpus, tmp_path: Path) -> None:
    few = {"epochs": 1, "max_learning_rate": 1e-4, "batch_size": 64}
    warm = dh.train(new, tmp_path / "warm", start_from=first.folder, training=few)
    anew = dh.train(new, tmp_path / "anew", **ASKED, training=few)
    losses = [run.history["validation_loss"].iloc[-1] for run in (warm, anew)]
    assert losses[0] < 0.8 * losses[1], losses


def test_frozen_branches_stay_and_others_learn(first: Run, frozen: Run) -> None:
    before = {w.path: np.asarray(w) for w in first.model.weights}
    changed = {w.path for w in frozen.model.weights if (np.asarray(w) != before[w.path]).any()}
    assert changed
    assert not {path for path in changed if path.startswith(("meta/", "meta_missing/"))}
    assert any(path.startswith("artist/") for path in changed)
    # The finished model is like any other: it can be trained further, whole.
    assert len(frozen.model.trainable_weights) == len(first.model.trainable_weights)
    assert frozen.architecture == first.architecture
    assert len(frozen.history) == 2
    assert frozen.config.start is not None
    assert frozen.config.start.frozen == ("meta",)


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
    with pytest.raises(UserError, match=f"{wrong} of 32 validation tracks are training tracks"):
        plan_training(old, tmp_path / "run", start_from=first, seed=7)
    run = dh.train(
        old, tmp_path / "run", start_from=first, seed=7, allow_seen_tracks=True, training=STILL
    )
    told = f"{wrong} of the validation tracks are training tracks of"
    assert any(told in warning for warning in run.metrics["warnings"])
    assert told in (run.folder / "report.html").read_text()
    # Whoever starts from that run is told as well, and what was before it counts.
    with pytest.raises(UserError, match="are training tracks of"):
        plan_training(old, tmp_path / "next", start_from=run, seed=3)
    union = np.union1d(first.split.parts["train"], run.split.parts["train"])
    np.testing.assert_array_equal(
        np.flatnonzero(trained_rows(run, old, require_all=True)[0]), union
    )


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


def test_a_missing_modality_begins_as_the_zeros_that_stood_there(
    first: Run, tmp_path: Path
) -> None:
    table = songs(2, 1000)
    table.loc[::4, "artist"] = None
    corpus = imported(table, tmp_path / "lacking")
    assert not first.config.modalities["artist"].learned_missing
    run = dh.train(corpus, tmp_path / "run", start_from=first, freeze="artist", training=STILL)
    assert run.config.modalities["artist"].learned_missing
    np.testing.assert_allclose(run.model.get_layer("artist_missing").vector, 0, atol=1e-6)


def test_a_column_that_the_run_never_saw_stays_unknown(old: Corpus, tmp_path: Path) -> None:
    empty = songs(0).assign(tempo=None)
    without = imported(empty, tmp_path / "without")
    training = {"epochs": 1, "batch_size": 64}
    meta = {**ASKED, "modalities": "meta=numeric"}
    first = dh.train(without, tmp_path / "first", **meta, training=training)
    assert first.unseen_columns == {"meta": ("tempo",)}
    run = dh.train(
        imported(songs(3, 500), tmp_path / "with"),
        tmp_path / "run",
        start_from=first,
        training=training,
    )
    assert run.unseen_columns == {"meta": ("tempo",)}
    assert any("tempo counts as unknown" in warning for warning in run.metrics["warnings"])


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
