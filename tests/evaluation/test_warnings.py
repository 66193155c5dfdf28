"""What is said of results that shouldn't be believed, on planted cases."""

from __future__ import annotations

import numpy as np

from deephits_keras.evaluation.baselines import baseline_metrics
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.evaluation.warnings import result_warnings
from deephits_keras.tasks import Prediction, get_task

TIERS = get_task("tiers-3")
REGRESSION = get_task("regression")
SPREAD = np.tile([10.0, 45.0, 80.0, 50.0], 60)


def said(task, popularity: np.ndarray, prediction: Prediction, *, trained=SPREAD) -> list[str]:
    nothing = np.empty((len(trained), 0)), trained, np.empty((len(popularity), 0)), popularity
    baseline = baseline_metrics(task, *nothing, kind="majority")
    metrics = evaluate(task, popularity, prediction)
    return result_warnings(task, popularity, prediction, metrics, baseline, tracks="test tracks")


def put_into(tiers: np.ndarray) -> Prediction:
    return TIERS.decode(5 * np.eye(3)[tiers])


def test_a_good_model_has_no_warnings() -> None:
    assert said(TIERS, SPREAD, put_into(TIERS.tiers.of(SPREAD))) == []
    assert said(REGRESSION, SPREAD, REGRESSION.decode(SPREAD[:, None] / 100)) == []


def test_few_held_out_tracks() -> None:
    few = SPREAD[:99]
    (told,) = said(TIERS, few, put_into(TIERS.tiers.of(few)))
    assert told.startswith("There are only 99 test tracks")
    assert said(TIERS, SPREAD[:100], put_into(TIERS.tiers.of(SPREAD[:100]))) == []


def test_one_tier_alone_held_out() -> None:
    alone = np.full(200, 50.0)
    (told,) = said(TIERS, alone, put_into(np.arange(200) % 3))
    assert told == (
        "All 200 test tracks are of one tier (25-65): the metrics say nothing about the others."
    )


def test_every_track_in_one_tier_is_no_better_than_the_majority() -> None:
    one_tier, baseline = said(TIERS, SPREAD, put_into(np.full(240, 1)))
    assert one_tier.startswith("The model puts all 240 test tracks into one tier (25-65)")
    assert "no better than the majority" in baseline
    assert "macro-F1 22.2% against 22.2%, accuracy 50.0% against 50.0%" in baseline


def test_a_regression_that_is_no_better_than_the_mean() -> None:
    wrong = SPREAD[::-1, None] / 100
    (told,) = said(REGRESSION, SPREAD, REGRESSION.decode(wrong))
    assert "no better than the mean" in told
    assert told.count(" against ") == 2


def test_a_single_track_says_nothing() -> None:
    (told,) = said(TIERS, SPREAD[:1], put_into(TIERS.tiers.of(SPREAD[:1])))
    assert told.startswith("There is only 1 test track: its metrics say nothing")
