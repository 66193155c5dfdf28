"""Triplet loss: tracks of near tiers get nearer embeddings than tracks of far tiers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from deephits_keras.types import Tensor

NONE = 1e9
"""Distance of a negative that doesn't exist."""


@keras.saving.register_keras_serializable("deephits")
class TripletLoss(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy plus a triplet loss with semi-hard mining in the batch.

    Distances are squared ones of embeddings of unit length. For each anchor and each other track
    (the positive), a negative is a track whose tier is farther from the anchor's. Of the negatives
    that are farther away than the positive, the nearest is taken, as in FaceNet (Schroff,
    Kalenichenko and Philbin 2015); without one, the farthest negative.

    Called on the tiers `(batch,)` and, in training, logits and embeddings `(batch, tiers + size)`
    (`model.side_output`); on `(batch, tiers)`, as at inference, it is the cross-entropy.

    Args:
        tiers: Number of tiers.
        margin: By how much a negative must be farther away than a positive.
        weight: Weight of the triplet term.
    """

    def __init__(
        self,
        tiers: int,
        margin: float = 0.2,
        weight: float = 1.0,
        name: str = "triplet",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.tiers, self.margin, self.weight = tiers, margin, weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per track, `(batch,)`: its cross-entropy, and the mean over its triplets."""
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        entropy = keras.losses.sparse_categorical_crossentropy(
            truth, y_pred[:, : self.tiers], from_logits=True
        )
        if y_pred.shape[-1] == self.tiers:
            return entropy
        return entropy + self.weight * self._triplets(truth, y_pred[:, self.tiers :])

    def _triplets(self, tiers: Tensor, embeddings: Tensor) -> Tensor:
        unit = ops.normalize(embeddings, axis=-1)
        distance = ops.maximum(2 - 2 * ops.matmul(unit, ops.transpose(unit)), 0.0)
        gap = ops.abs(tiers[:, None] - tiers[None, :])
        # Axes: anchor, positive, negative.
        is_negative = gap[:, None, :] > gap[:, :, None]
        away = distance[:, None, :] + ops.zeros_like(distance)[:, :, None]
        is_semi_hard = ops.logical_and(is_negative, away > distance[:, :, None])
        nearest = ops.min(ops.where(is_semi_hard, away, NONE), axis=-1)
        farthest = ops.max(ops.where(is_negative, away, 0.0), axis=-1)
        negative = ops.where(nearest < NONE, nearest, farthest)
        itself = ops.eye(ops.shape(gap)[0], dtype="bool")
        counts = ops.logical_and(ops.any(is_negative, axis=-1), ops.logical_not(itself))
        counts = ops.cast(counts, distance.dtype)
        each = ops.relu(distance - negative + self.margin) * counts
        return ops.sum(each, axis=-1) / ops.maximum(ops.sum(counts, axis=-1), 1.0)

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        own = {"tiers": self.tiers, "margin": self.margin, "weight": self.weight}
        return {**super().get_config(), **own}
