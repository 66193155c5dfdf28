"""Baselines: what they must be able to learn, and what they can't."""

import numpy as np
import pytest

from deephits_keras.errors import UserError
from deephits_keras.evaluation.baselines import FAMILIES, baseline_metrics, class_logits
from deephits_keras.tasks import TASKS

LEARNERS = ["logistic", "boosting"]


@pytest.fixture(scope="module")
def tracks():
    """Popularity that follows the first of three features, a tenth of which is missing."""
    draw = np.random.default_rng(0)
    features = draw.normal(50, 20, (600, 3))
    popularity = np.clip(features[:, 0], 0, 100)
    features[draw.random(features.shape) < 0.1] = np.nan
    return features[:400], popularity[:400], features[400:], popularity[400:]


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("tiers-3", "logistic"),
        ("tiers-3", "mlp"),
        ("tiers-3", "boosting"),
        ("tiers-10", "logistic"),
    ],
)
def test_classifiers_beat_the_majority_where_there_is_something_to_learn(tracks, task, kind):
    majority = baseline_metrics(TASKS[task], *tracks, kind="majority")[task]
    learned = baseline_metrics(TASKS[task], *tracks, kind=kind)[task]
    assert majority["roc_auc"] == pytest.approx(0.5)
    assert learned["accuracy"] > majority["accuracy"] + 0.1
    assert learned["roc_auc"] > 0.7


@pytest.mark.parametrize("kind", LEARNERS)
def test_regressors_explain_the_planted_cause(tracks, kind):
    majority = baseline_metrics(TASKS["regression"], *tracks, kind="majority")["regression"]
    learned = baseline_metrics(TASKS["regression"], *tracks, kind=kind)["regression"]
    assert majority["r2"] <= 0
    assert learned["r2"] > 0.6


def test_the_majority_is_the_most_frequent_training_tier():
    train, test = np.array([50.0, 50.0, 90.0]), np.array([50.0, 90.0, 90.0, 90.0])
    nothing = np.empty((3, 0)), train, np.empty((4, 0)), test
    metrics = baseline_metrics(TASKS["tiers-3"], *nothing, kind="majority")
    assert metrics["tiers-3"]["accuracy"] == 0.25


@pytest.mark.parametrize("kind", LEARNERS)
def test_one_tier_in_training_is_no_error(kind):
    one_tier = np.ones((9, 2)), np.full(9, 50.0), np.ones((2, 2)), np.array([50.0, 90.0])
    metrics = baseline_metrics(TASKS["tiers-3"], *one_tier, kind=kind)
    assert metrics["tiers-3"]["accuracy"] == 0.5


def test_the_scale_of_a_feature_does_not_matter_to_the_logistic_baseline(tracks):
    train, train_popularity, test, test_popularity = tracks
    factor = np.array([1e6, 1.0, 1e-6])
    scaled = train * factor, train_popularity, test * factor, test_popularity
    task = TASKS["tiers-3"]
    # The solver stops within 1e-4 of the optimum, which can move a track on a border.
    assert baseline_metrics(task, *scaled)["tiers-3"]["accuracy"] == pytest.approx(
        baseline_metrics(task, *tracks)["tiers-3"]["accuracy"], abs=1 / len(test)
    )


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.nightly) if k == "boosting" else k for k in FAMILIES],
)
def test_balanced_classes_bring_recall_to_rare_tiers(kind):
    """The high tier is a tenth of the tracks and overlaps with the middle one."""
    draw = np.random.default_rng(1)
    popularity = np.where(draw.random(900) < 0.1, 80.0, 50.0)
    features = (popularity + draw.normal(0, 20, 900))[:, None]
    recall = []
    for balanced in (False, True):
        logits = class_logits(
            TASKS["tiers-3"],
            features[:600],
            popularity[:600],
            features[600:],
            kind=kind,
            balanced=balanced,
        )
        recall.append((logits.argmax(axis=1) == 2)[popularity[600:] == 80].mean())
    assert recall[1] > recall[0] + 0.2


def test_an_unknown_baseline_is_refused(tracks):
    with pytest.raises(UserError, match="majority, logistic, mlp, boosting"):
        baseline_metrics(TASKS["tiers-3"], *tracks, kind="oracle")
