"""The triplet loss against its definition, and a model that is trained with it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from deephits_keras.errors import UserError
from deephits_keras.model.builder import build_model
from deephits_keras.model.fusion import get_fusion
from deephits_keras.model.side_output import with_embedding
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.training.losses import check_loss, training_loss
from deephits_keras.training.triplet import TripletLoss

Array = np.ndarray[Any, Any]
TIERS, MARGIN, WEIGHT = 3, 0.3, 0.7
RNG = np.random.default_rng(0)
TRUTH = np.array([0, 0, 1, 2, 2, 1])
LOGITS = RNG.normal(size=(6, TIERS)).astype("float32")
EMBEDDINGS = RNG.normal(size=(6, 4)).astype("float32")


def by_hand() -> float:
    """Every triplet one by one."""
    unit = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    distance = ((unit[:, None] - unit[None]) ** 2).sum(axis=-1)
    gap = np.abs(TRUTH[:, None] - TRUTH[None])
    each = []
    for anchor in range(6):
        own = []
        for positive in set(range(6)) - {anchor}:
            negatives = [n for n in range(6) if gap[anchor, n] > gap[anchor, positive]]
            if not negatives:
                continue
            beyond = [n for n in negatives if distance[anchor, n] > distance[anchor, positive]]
            away = (
                min(distance[anchor, n] for n in beyond)
                if beyond
                else max(distance[anchor, n] for n in negatives)
            )
            own.append(max(0.0, distance[anchor, positive] - away + MARGIN))
        each.append(np.mean(own) if own else 0.0)
    return float(np.mean(each))


def value(loss: Any, truth: Array, outputs: Array) -> float:
    return float(keras.ops.convert_to_numpy(loss(truth, outputs)))


def test_it_adds_the_triplets_to_the_cross_entropy() -> None:
    loss = TripletLoss(TIERS, MARGIN, WEIGHT)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain = value(entropy, TRUTH, LOGITS)
    both = np.concatenate([LOGITS, EMBEDDINGS], axis=1)
    assert value(loss, TRUTH, LOGITS) == pytest.approx(plain, rel=1e-5)
    for truth in (TRUTH, TRUTH[:, None]):
        wanted = plain + WEIGHT * by_hand()
        assert value(loss, truth, both) == pytest.approx(wanted, rel=1e-4)
    # Without two tiers there is no triplet.
    alike = np.zeros(6, int)
    assert value(loss, alike, both) == pytest.approx(value(entropy, alike, LOGITS), rel=1e-5)
    saved = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(saved, safe_mode=True)
    assert value(again, TRUTH, both) == value(loss, TRUTH, both)


def test_training_brings_tracks_of_a_tier_together() -> None:
    keras.utils.set_random_seed(0)
    model = with_embedding(
        build_model("meta", fusion={"name": "early", "units": (8,), "dropout": 0.0}, task="tiers-3")
    )
    tiers = np.arange(48) % 3
    fields = RNG.normal(size=(48, *model.input["meta_fields"].shape[1:])).astype("float32")
    fields[:, 0] += tiers * 0.5
    inputs = {"meta_fields": fields, "meta_present": np.ones((48, 1), "float32")}

    def separation() -> float:
        """Mean distance of tracks of the outer tiers over that of tracks of one tier."""
        embed = keras.Model(model.input, model.get_layer("output").input)
        points = keras.ops.convert_to_numpy(keras.ops.normalize(embed(inputs), axis=-1))
        distance = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
        gap = np.abs(tiers[:, None] - tiers[None])
        return float(distance[gap == 2].mean() / distance[gap == 0].mean())

    before = separation()
    model.compile(keras.optimizers.Adam(0.01), TripletLoss(3))
    model.fit(inputs, tiers, epochs=30, batch_size=48, verbose=0)
    assert separation() > 2 * before
    # In training the embedding stands beside the logits, and at inference it doesn't.
    assert model(inputs, training=True).shape[1] == 3 + 8
    assert model(inputs).shape[1] == 3


def test_it_is_for_tiers_and_one_embedding() -> None:
    settings = TrainingConfig(loss="triplet", triplet_margin=0.5)
    found: Any = training_loss(get_task("tiers-5"), settings)
    assert (found.tiers, found.margin) == (5, 0.5)
    with pytest.raises(UserError, match="--loss triplet is for tiers"):
        training_loss(get_task("regression"), settings)
    check_loss(settings, get_fusion("gated"))
    for fusion in ("late", "members"):
        with pytest.raises(UserError, match=f"the fusion {fusion} hasn't"):
            check_loss(settings, get_fusion(fusion))
