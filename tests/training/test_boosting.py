"""Boosted trees beside the network: scikit-learn's own answers, and a run that holds them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

import deephits_keras as dh
from deephits_keras.corpus import Corpus
from deephits_keras.errors import UserError
from deephits_keras.model.trees import DEPTH, SoftTrees, Trees
from deephits_keras.runs.run import Run, load_model
from deephits_keras.training.boosting import (
    MANY_TRACKS,
    choose_weight,
    complete_trees,
    threads_for,
)
from deephits_keras.training.workflow import plan_training

SHAPE = {"max_depth": DEPTH, "max_leaf_nodes": None, "max_iter": 12, "random_state": 0}


def answers(trees: Trees, vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    # So narrow that no track is near a threshold.
    hard = dataclasses.replace(trees, widths=np.full_like(trees.widths, 1e-7))
    return np.asarray(keras.ops.convert_to_numpy(SoftTrees(hard)(vectors)))


def planted(tracks: int = 400) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(tracks, 5)).astype(np.float32)
    vectors[:, 4] = 1.0
    return vectors, vectors[:, 0] * (vectors[:, 1] > 0) + draw.normal(0, 0.1, tracks)


@pytest.mark.backends
def test_the_layers_of_a_regression_answer_as_scikit_learn() -> None:
    vectors, target = planted()
    boosted = HistGradientBoostingRegressor(**SHAPE).fit(vectors, target)
    trees = complete_trees(boosted, 7, vectors, ("meta",), 1)
    # New ones: a training track may lie on a threshold, where a soft tree goes both ways.
    new = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    theirs = list(boosted.staged_predict(new))[6]
    np.testing.assert_allclose(answers(trees, new)[:, 0], theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("cuts", "outputs"), [((0.0,), 2), ((-0.5, 0.5), 3), ((-0.5, 0.5), 5), ((0.0,), 3)]
)
def test_the_layers_of_a_classifier_answer_as_scikit_learn(
    cuts: tuple[float, ...], outputs: int
) -> None:
    vectors, target = planted()
    # With more tiers than training tracks have: the last ones.
    tiers = np.digitize(target, cuts)
    boosted = HistGradientBoostingClassifier(**SHAPE).fit(vectors, tiers)
    trees = complete_trees(boosted, 12, vectors, ("meta",), outputs)
    new = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    scores = np.asarray(keras.ops.softmax(answers(trees, new)))
    known = len(cuts) + 1
    # A tier that no track has takes a millionth of the largest start, at most.
    np.testing.assert_allclose(scores[:, :known], boosted.predict_proba(new), atol=1e-4)
    assert scores[:, known:].max(initial=0) < 1e-4


def test_few_tracks_are_fitted_by_one_thread_which_waits_for_no_other() -> None:
    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "openmp"}

    with threadpool_limits(3, user_api="openmp"):
        with threads_for(MANY_TRACKS - 1):
            assert threads() == {1}
        with threads_for(MANY_TRACKS):
            assert threads() == {3}
        assert threads() == {3}


@pytest.mark.backends
def test_a_score_is_steady_where_a_hard_tree_jumps() -> None:
    vectors, target = planted()
    boosted = HistGradientBoostingRegressor(**SHAPE).fit(vectors, target)
    trees = complete_trees(boosted, 12, vectors, ("meta",), 1)
    line = np.repeat(vectors[:1], 4001, axis=0)
    line[:, 0] = np.linspace(-1, 1, 4001)
    soft = np.asarray(keras.ops.convert_to_numpy(SoftTrees(trees)(line)))[:, 0]
    hard = answers(trees, line)[:, 0]
    assert np.abs(np.diff(soft)).max() < np.abs(np.diff(hard)).max() / 10
    np.testing.assert_allclose(soft.mean(), hard.mean(), atol=0.02)


def test_trees_have_half_of_the_weight_unless_another_is_clearly_better() -> None:
    draw = np.random.default_rng(0)
    truth = draw.uniform(0, 1, 300)
    close, near = (truth[:, None] + draw.normal(0, 0.1, (300, 1)) for _ in range(2))
    useless, poor = np.full((300, 1), 0.5), truth[:, None] + draw.normal(0, 0.5, (300, 1))
    weigh = [(close, near), (close, useless), (useless, close), (poor, close)]
    found = [choose_weight(a, b, truth, classification=False) for a, b in weigh]
    assert found[0] == 0.5
    assert found[1] in (0.0, 0.1)
    assert found[2] == 0.9
    assert found[3] in (0.75, 0.9)
    tiers = (truth > 0.5).astype(int)
    logits = [10 * np.hstack([0.5 - each, each - 0.5]) for each in (close, near, useless)]
    assert choose_weight(logits[0], logits[1], tiers, classification=True) == 0.5
    assert choose_weight(logits[0], logits[2], tiers, classification=True) in (0.0, 0.1)


def trained(corpus: Corpus, folder: Path, **options: Any) -> Run:
    training = {"epochs": 6, "with_boosting": True, **options.pop("training", {})}
    settings = {"modalities": "meta", "task": "regression", **options}
    return dh.train(corpus, folder, training=training, **settings)


def test_a_run_predicts_the_average_of_its_network_and_its_trees(
    corpus: Corpus, tmp_path: Path
) -> None:
    run = trained(corpus, tmp_path / "run")
    alone = trained(corpus, tmp_path / "alone", training={"with_boosting": False})
    assert run.architecture.trees > 0
    assert alone.architecture.trees == 0
    trees = Trees.from_json(json.loads((run.folder / "trees.json").read_text()))
    said = run.predictions.set_index("row").query("part == 'validation'")
    network = alone.predictions.set_index("row").loc[said.index]
    # What the trees must have said.
    rest = said["predicted_popularity"] - (1 - trees.weight) * network["predicted_popularity"]
    apart = rest / trees.weight
    bounds = 100 * (trees.start[0] + np.array([-1, 1]) * np.abs(trees.values).max(axis=2).sum())
    assert apart.between(*bounds).all()
    assert np.corrcoef(apart, said["popularity"])[0, 1] > 0.8
    again = dh.predict(run, table=corpus_table(corpus, tmp_path)).to_frame()
    where = again.set_index("track_id").loc[said["track_id"], "popularity"].to_numpy()
    np.testing.assert_allclose(where, said["predicted_popularity"], atol=1e-3)


def test_without_what_the_trees_read_the_network_alone_decides(
    corpus: Corpus, tmp_path: Path
) -> None:
    run = trained(corpus, tmp_path / "run")
    alone = load_model(run.folder / "model.keras", run, compiled=False)
    shapes = {name: (2, *tensor.shape[1:]) for name, tensor in alone.input.items()}
    given = {name: np.zeros(shape, alone.input[name].dtype) for name, shape in shapes.items()}
    given["meta_present"][1] = 1.0
    apart = run.model.predict_on_batch(given) - alone.predict_on_batch(given)
    assert apart[0] == pytest.approx(0, abs=1e-6)
    assert abs(apart[1]) > 1e-3


def corpus_table(corpus: Corpus, folder: Path) -> Path:
    columns = ("artist_popularity", "tempo", "key")
    table = pd.DataFrame({name: corpus.column(name) for name in columns})
    table.insert(0, "track_id", corpus.track_ids)
    table.to_csv(folder / "songs.csv", index=False)
    return folder / "songs.csv"


def test_a_run_without_its_trees_is_no_run(corpus: Corpus, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run")
    path = run.folder / "trees.json"
    stored = json.loads(path.read_text())
    stored["columns"][0][0][0] = 10_000
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match=r"trees\.json is damaged: .*boosted trees"):
        _ = Run(run.folder).model
    assert [each.file for each in dh.verify(run.folder).findings] == [str(path)]
    path.unlink()
    with pytest.raises(UserError, match=r"trees\.json"):
        _ = Run(run.folder).model


def test_every_member_of_an_ensemble_has_its_own_trees(corpus: Corpus, tmp_path: Path) -> None:
    run = trained(corpus, tmp_path / "run", training={"ensemble": 2, "epochs": 3})
    stored = [(run.folder / f"members/seed-{n}/trees.json").read_bytes() for n in (0, 1)]
    assert stored[0] != stored[1]
    members = [Run(run.folder / f"members/seed-{n}").predictions for n in (0, 1)]
    mean = (members[0]["predicted_popularity"] + members[1]["predicted_popularity"]) / 2
    np.testing.assert_allclose(run.predictions["predicted_popularity"], mean, atol=1e-3)
    assert not dh.verify(run.folder).findings


def test_trees_that_nothing_can_be_read_by_are_left_out_and_that_is_said(
    corpus: Corpus, tmp_path: Path
) -> None:
    # `numeric` has trained layers.
    run = trained(corpus, tmp_path / "run", modalities="meta=numeric", training={"epochs": 2})
    assert run.architecture.trees == 0
    assert not (run.folder / "trees.json").exists()
    assert "It has no boosted trees" in (run.folder / "report.html").read_text()


def test_a_training_from_a_run_with_trees_has_none(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    first = trained(corpus, tmp_path / "run")
    further = dh.train(
        corpus, tmp_path / "further", start_from=first.folder, training={"epochs": 2}
    )
    assert further.architecture.trees == 0
    plan = plan_training(corpus, tmp_path / "no", start_from=first.folder)
    assert any("trees of" in note and "are left out" in note for note in plan.notes)
    anew = plan_training(
        corpus, tmp_path / "no", start_from=first.folder, training={"with_boosting": True}
    )
    assert not any("are left out" in note for note in anew.notes)
    outcome = deephits("explain", first.folder, "--track", "t003", "--json")
    told = json.loads(outcome.out)
    assert told["completeness_error"] < 0.01
