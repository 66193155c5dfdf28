"""What training minimises: the paper's loss, or one that minds rare tiers or their order."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import Task
from deephits_keras.types import Tensor


class _TierLoss(keras.losses.Loss):  # type: ignore[misc]
    """A loss of tier indices `(batch,)` and logits `(batch, tiers)`."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each track, `(batch,)`."""
        tiers = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        return self.of(ops.one_hot(tiers, y_pred.shape[-1], dtype=y_pred.dtype), y_pred)

    def of(self, truth: Tensor, logits: Tensor) -> Tensor:
        """The loss of each track from its one-hot tier."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("deephits")
class FocalLoss(_TierLoss):
    """Cross-entropy that fades for tracks which are right already (Lin et al. 2017).

    Args:
        gamma: How fast it fades: it is times (1 - score of the true tier) to this power.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.gamma = gamma

    def of(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Keras' focal cross-entropy, every tier weighted alike."""
        return keras.losses.categorical_focal_crossentropy(
            truth, logits, alpha=1.0, gamma=self.gamma, from_logits=True
        )

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("deephits")
class CostLoss(_TierLoss):
    """Cross-entropy plus the expected cost, a tier's cost being its distance from the true one.

    Cost-sensitive learning (Elkan 2001) with the cost that an ordinal scale suggests: the second
    part is the mean distance in tiers of a tier drawn by the class scores.
    """

    def __init__(self, name: str = "cost", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def of(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Cross-entropy plus the mean distance in tiers."""
        numbers = ops.arange(logits.shape[-1], dtype=logits.dtype)
        true_number = ops.sum(truth * numbers, axis=-1, keepdims=True)
        distance = ops.sum(ops.softmax(logits) * ops.abs(numbers - true_number), axis=-1)
        return distance + keras.losses.categorical_crossentropy(truth, logits, from_logits=True)


@keras.saving.register_keras_serializable("deephits")
class PerMember(keras.losses.Loss):  # type: ignore[misc]
    """A loss of each member of a batch ensemble, averaged: each learns to be right by itself.

    Called on the targets `(batch,)` and, in training, `(batch, members * outputs)`; on
    `(batch, outputs)`, as at inference, it is the loss itself.

    Args:
        loss: The loss of one member.
        outputs: Number of raw outputs of each.
    """

    def __init__(
        self, loss: keras.losses.Loss, outputs: int, name: str = "per_member", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.loss, self.outputs = loss, outputs

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each track, `(batch,)`."""
        members = y_pred.shape[-1] // self.outputs
        cuts = [y_pred[:, m * self.outputs : (m + 1) * self.outputs] for m in range(members)]
        return ops.mean(ops.stack([self.loss.call(y_true, cut) for cut in cuts]), axis=0)

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "outputs": self.outputs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerMember:
        """The loss of `get_config`'s result."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


@keras.saving.register_keras_serializable("deephits")
class RankLoss(keras.losses.Loss):  # type: ignore[misc]
    """Squared error plus the order of the batch's pairs of tracks (after Yu et al. 2017).

    Of each pair whose targets differ: softplus of minus the scores' difference, taken in the
    targets' order (RankNet, Burges et al. 2005), which fades as the order gets right. Yu et al.
    draw their pairs by a rule that isn't public; here all pairs of a batch count.

    Args:
        weight: Of the pairs' part.
    """

    def __init__(self, weight: float = 1.0, name: str = "rank", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.weight = weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each track, `(batch,)`: its own error, and the mean of its pairs."""
        scores = ops.reshape(y_pred, (-1,))
        truth = ops.reshape(ops.cast(y_true, scores.dtype), (-1,))
        order = ops.sign(truth[:, None] - truth[None, :])
        counts = ops.abs(order)
        wrong = ops.softplus(-order * (scores[:, None] - scores[None, :])) * counts
        pairs = ops.sum(wrong, axis=1) / ops.maximum(ops.sum(counts, axis=1), 1.0)
        return ops.square(scores - truth) + self.weight * pairs

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        return {**super().get_config(), "weight": self.weight}


def loss_of(task: Task) -> keras.losses.Loss:
    """The paper's loss: cross-entropy on logits, or mean squared error (Section 2.2.2)."""
    if task.kind == "classification":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def training_loss(task: Task, training: TrainingConfig) -> keras.losses.Loss:
    """The loss that the settings say.

    Raises:
        UserError: if it is one of tiers and the task a regression, or the other way round.
    """
    if training.loss == "paper":
        return loss_of(task)
    if training.loss == "rank":
        if task.kind == "classification":
            raise UserError("--loss rank is for regression, not for tiers")
        return RankLoss(training.rank_weight)
    if task.kind != "classification":
        raise UserError(f"--loss {training.loss} is for tiers; for regression use paper or rank")
    return FocalLoss(training.focal_gamma) if training.loss == "focal" else CostLoss()
