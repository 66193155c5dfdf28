"""The metrics of Section 2.2.3, against values worked out by hand."""

import json

import numpy as np
import pytest

from deephits_keras.evaluation.metrics import (
    confusion,
    evaluate,
    macro_f1_present,
    per_tier_recall,
    regression_metrics,
    tier_metrics,
)
from deephits_keras.tasks import TASKS, TIERS, Prediction

THREE = TIERS["tiers-3"]
TRUE = np.array([0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0])


def test_metrics_worked_out_by_hand():
    metrics = tier_metrics(TRUE, PREDICTED, None, THREE)
    # Tier 0: precision 1/2, recall 1/2; tier 1: 2/3 and 2/3; tier 2: 0 and 0.
    assert metrics["accuracy"] == pytest.approx(3 / 6)
    assert metrics["macro_precision"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert metrics["macro_recall"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert metrics["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert metrics["within_one_tier"] == pytest.approx(5 / 6)
    assert metrics["tier_mae"] == pytest.approx((0 + 1 + 0 + 0 + 1 + 2) / 6)


def test_macro_averages_leave_out_tiers_that_never_occur():
    all_right = np.array([3, 3, 5])
    assert tier_metrics(all_right, all_right, None, TIERS["tiers-10"])["macro_f1"] == 1.0
    # Tier 9 doesn't occur but is predicted: it counts, with recall 0.
    once_wrong = np.array([3, 3, 9])
    recall = tier_metrics(all_right, once_wrong, None, TIERS["tiers-10"])["macro_recall"]
    assert recall == pytest.approx((1 + 0 + 0) / 3)


def test_a_distance_between_unsigned_tiers_does_not_wrap_around():
    metrics = tier_metrics(TRUE.astype(np.uint8), PREDICTED.astype(np.uint8), None, THREE)
    assert metrics["tier_mae"] == pytest.approx(4 / 6)


def test_ranking_metrics_of_one_tier_against_the_rest():
    true = np.array([0, 1, 1])
    scores = np.array([[0.6, 0.3, 0.1], [0.7, 0.2, 0.1], [0.1, 0.4, 0.5]])
    metrics = tier_metrics(true, scores.argmax(axis=1), scores, THREE)
    # Tier 0: the positive's 0.6 beats one of two negatives: ROC 1/2; it is second in the ranking:
    # average precision 1/2. Tier 1: positives 0.2 and 0.4 against 0.3: ROC 1/2; ranking + - +:
    # average precision (1 + 2/3) / 2. Tier 2 has no positive and is left out.
    assert metrics["roc_auc"] == pytest.approx(1 / 2)
    assert metrics["pr_auc"] == pytest.approx((1 / 2 + 5 / 6) / 2)


def test_ranking_metrics_are_none_where_undefined():
    one_tier = np.array([1, 1])
    metrics = tier_metrics(one_tier, one_tier, np.full((2, 3), 1 / 3), THREE)
    assert metrics["roc_auc"] is None
    assert metrics["pr_auc"] is None


def test_regression_metrics_on_both_scales():
    metrics = regression_metrics(np.array([10.0, 30.0]), np.array([20.0, 30.0]))
    assert metrics == pytest.approx(
        {"mse": 50.0, "mae": 5.0, "r2": 1 - 100 / 200, "mae_unit": 0.05}
    )
    assert regression_metrics(np.array([10.0]), np.array([20.0]))["r2"] is None


def test_a_regression_is_reported_in_ten_and_three_tiers_without_ranking_metrics():
    popularity = np.array([5.0, 24.9, 25.0, 65.0, 100.0])
    metrics = evaluate(TASKS["regression"], popularity, Prediction(popularity + 0.05, None))
    assert list(metrics) == ["tiers-10", "tiers-3", "regression", "ranking"]
    # 24.9 + 0.05 stays below 25, and 100.05 is still in the top tier.
    assert metrics["tiers-3"]["accuracy"] == 1.0
    assert metrics["tiers-3"]["roc_auc"] is None
    assert metrics["regression"]["mae"] == pytest.approx(0.05)


def test_a_classification_is_reported_by_its_scores():
    popularity = np.array([10.0, 50.0, 90.0])
    # The last track: the best score is tier 1, the expected popularity far below it.
    scores = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.4, 0.6, 0.0]])
    metrics = evaluate(TASKS["tiers-3"], popularity, Prediction(scores @ [12.5, 45, 82.5], scores))
    assert metrics["tiers-3"]["accuracy"] == pytest.approx(2 / 3)
    assert metrics["tiers-3"]["roc_auc"] is not None
    assert metrics["regression"]["mae"] > 0


@pytest.mark.parametrize("task", list(TASKS))
@pytest.mark.parametrize("tracks", [1, 2, 300])
def test_metrics_are_json_without_nan(task, tracks):
    draw = np.random.default_rng(tracks)
    popularity = draw.uniform(0, 100, tracks)
    outputs = draw.normal(size=(tracks, TASKS[task].outputs))
    metrics = evaluate(TASKS[task], popularity, TASKS[task].decode(outputs))
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_no_tracks_are_refused():
    nothing = np.array([])
    with pytest.raises(ValueError, match=r"0 sample|empty"):
        evaluate(TASKS["regression"], nothing, Prediction(nothing, None))


def test_confusion_has_a_row_for_every_true_tier():
    assert confusion(TRUE, PREDICTED, THREE).tolist() == [[1, 1, 0], [0, 2, 1], [1, 0, 0]]
    assert confusion(TRUE, PREDICTED, TIERS["tiers-10"]).shape == (10, 10)


def test_recall_of_a_tier_without_tracks_is_none():
    assert per_tier_recall(TRUE[:5], PREDICTED[:5], THREE) == [0.5, pytest.approx(2 / 3), None]


def test_a_tier_that_does_not_occur_cannot_choose_the_checkpoint():
    """As on a real table: 13 of 400 tracks in a tier without a track cost a tenth of macro-F1."""
    tiers = TIERS["tiers-10"]
    truth = np.repeat(np.arange(10), 40)
    truth[truth == 9] = 8
    draw = np.random.default_rng(4)
    worse = np.where(draw.random(400) < 0.58, truth, draw.integers(0, 9, 400))
    better = worse.copy()
    better[np.flatnonzero((worse != truth) & (truth == 8))[:13]] = 9
    wrong = np.flatnonzero((worse != truth) & (better != 9))[:2]
    better[wrong] = truth[wrong]

    def macro_f1(predicted):
        return tier_metrics(truth, predicted, None, tiers)["macro_f1"]

    # It is right on more tracks, and the mean over one tier more falls by a tenth.
    assert (better == truth).sum() > (worse == truth).sum()
    assert macro_f1(better) < macro_f1(worse) - 0.04
    assert macro_f1_present(truth, better) > macro_f1_present(truth, worse)
    assert macro_f1_present(truth, worse) == pytest.approx(macro_f1(worse))
