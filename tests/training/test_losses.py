"""The losses against their formulas, and a run trained with each."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.training.losses import CostLoss, FocalLoss, RankLoss, training_loss

LOGITS = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
TIERS = np.arange(8) % 5
FLOAT32 = 1e-5

SCORES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
TRUE = SCORES[np.arange(8), TIERS]


def value(loss: keras.losses.Loss) -> float:
    return float(keras.ops.convert_to_numpy(loss(TIERS, LOGITS)))


def test_focal_fades_with_the_score_of_the_true_tier() -> None:
    wanted = -((1 - TRUE) ** 3 * np.log(TRUE)).mean()
    assert value(FocalLoss(3.0)) == pytest.approx(wanted, rel=FLOAT32)
    assert value(FocalLoss(0.0)) == pytest.approx(-np.log(TRUE).mean(), rel=FLOAT32)


def test_cost_adds_the_expected_distance_in_tiers() -> None:
    distance = (SCORES * np.abs(np.arange(5) - TIERS[:, None])).sum(axis=1)
    wanted = (distance - np.log(TRUE)).mean()
    assert value(CostLoss()) == pytest.approx(wanted, rel=FLOAT32)


def test_a_column_of_tiers_counts_as_the_row() -> None:
    """Not as a table of every track against every other, by broadcasting."""
    for loss in (FocalLoss(), CostLoss()):
        column = keras.ops.convert_to_numpy(loss(TIERS[:, None], LOGITS))
        assert float(column) == pytest.approx(value(loss), rel=FLOAT32)


def test_sample_weights_count() -> None:
    weights = np.eye(8)[0] * 8
    alone = keras.ops.convert_to_numpy(CostLoss()(TIERS[:1], LOGITS[:1]))
    weighted = keras.ops.convert_to_numpy(CostLoss()(TIERS, LOGITS, sample_weight=weights))
    assert float(weighted) == pytest.approx(float(alone), rel=FLOAT32)


@pytest.mark.parametrize("loss", [FocalLoss(1.5), CostLoss()])
def test_a_loss_round_trips(loss: Any) -> None:
    saved = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(saved, safe_mode=True)
    assert type(again) is type(loss)
    assert value(again) == value(loss)


def test_rank_adds_the_order_of_every_pair() -> None:
    truth = np.array([0.1, 0.5, 0.5, 0.9], np.float32)
    scores = np.array([0.3, 0.2, 0.8, 0.4], np.float32)
    pairs = [
        np.mean(
            [
                np.log1p(np.exp(-np.sign(y - other) * (s - rival)))
                for other, rival in zip(truth, scores, strict=True)
                if other != y
            ]
        )
        for y, s in zip(truth, scores, strict=True)
    ]
    wanted = np.mean((scores - truth) ** 2) + 0.7 * np.mean(pairs)
    for given in (truth, truth[:, None]):
        found = keras.ops.convert_to_numpy(RankLoss(0.7)(given, scores[:, None]))
        assert float(found) == pytest.approx(float(wanted), rel=FLOAT32)
    alike = keras.ops.convert_to_numpy(RankLoss(0.7)(truth[:1], truth[:1, None]))
    assert float(alike) == 0
    with pytest.raises(UserError, match="rank is for regression"):
        training_loss(get_task("tiers-3"), TrainingConfig(loss="rank"))
    saved = keras.saving.serialize_keras_object(RankLoss(0.7))
    assert keras.saving.deserialize_keras_object(saved, safe_mode=True).weight == 0.7


def test_a_regression_has_no_loss_of_tiers() -> None:
    with pytest.raises(UserError, match="--loss focal is for tiers"):
        training_loss(get_task("regression"), TrainingConfig(loss="focal"))


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(UserError, match="loss must be one of paper, focal, cost"):
        TrainingConfig(loss="hinge")
