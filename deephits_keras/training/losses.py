"""Training losses: the paper's, and losses for rare tiers or for the order of tiers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from deephits_keras.errors import UserError
from deephits_keras.model.fusion_base import POPULARITY_START, Fusion
from deephits_keras.runs.training_config import TRIPLET, TrainingConfig
from deephits_keras.tasks import POPULARITY_MAX, Task
from deephits_keras.training.triplet import TripletLoss
from deephits_keras.types import Array, FloatArray, Tensor


class _TierLoss(keras.losses.Loss):  # type: ignore[misc]
    """Base class of losses of tier indices `(batch,)` and logits `(batch, tiers)`."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per track, `(batch,)`."""
        tiers = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        return self.of(ops.one_hot(tiers, y_pred.shape[-1], dtype=y_pred.dtype), y_pred)

    def of(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Loss per track, from one-hot tiers."""
        raise NotImplementedError


@keras.saving.register_keras_serializable("deephits")
class FocalLoss(_TierLoss):
    """Focal loss: cross-entropy with less weight for well-classified tracks (Lin et al. 2017).

    Args:
        gamma: Focusing parameter: the loss is multiplied by (1 - score of the true tier) ** gamma.
    """

    def __init__(self, gamma: float = 2.0, name: str = "focal", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.gamma = gamma

    def of(self, truth: Tensor, logits: Tensor) -> Tensor:
        """Keras' focal cross-entropy with equal tier weights."""
        return keras.losses.categorical_focal_crossentropy(
            truth, logits, alpha=1.0, gamma=self.gamma, from_logits=True
        )

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("deephits")
class CostLoss(_TierLoss):
    """Cross-entropy plus the expected cost; the cost of a tier is its distance from the true one.

    Cost-sensitive learning (Elkan 2001) with the natural cost of an ordinal scale: the second term
    is the expected distance, in tiers, of a tier drawn by the class scores.
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
    """The mean loss of the members of a batch ensemble, computed per member.

    Called on the targets and, in training, `(batch, members * outputs)`; on the output at
    inference it is the loss itself.

    Args:
        loss: The loss of one member.
        outputs: Number of raw outputs per member.
    """

    def __init__(
        self, loss: keras.losses.Loss, outputs: int, name: str = "per_member", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.loss, self.outputs = loss, outputs

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per track, `(batch,)`."""
        # At inference there are no outputs beside the tiers.
        members = max(1, y_pred.shape[-1] // self.outputs)
        cuts = [y_pred[:, m * self.outputs : (m + 1) * self.outputs] for m in range(members)]
        return ops.mean(ops.stack([self.loss.call(y_true, cut) for cut in cuts]), axis=0)

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "outputs": self.outputs}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PerMember:
        """Create the loss from the result of `get_config`."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


@keras.saving.register_keras_serializable("deephits")
class WithPopularity(keras.losses.Loss):  # type: ignore[misc]
    """A loss of tiers, and the squared error of the popularity that is predicted beside them.

    A tier tells less than the popularity that it is made of: with few tracks a network learns more
    from both (multi-task learning, Caruana 1997).

    Called on `(batch, 2)` tiers and popularity / 100, and `(batch, outputs + 1)` logits and
    popularity in deviations of 0.2 around 0.4; on `(batch, outputs)`, as at inference, it is the
    loss of tiers alone.

    Args:
        loss: The loss of tiers.
        outputs: Number of tiers.
        weight: Factor of the squared error, in such deviations.
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        outputs: int,
        weight: float,
        name: str = "with_popularity",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.loss, self.outputs, self.weight = loss, outputs, weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per track, `(batch,)`."""
        found = self.loss.call(y_true[:, 0], y_pred[:, : self.outputs])
        if y_pred.shape[-1] == self.outputs:
            return found
        deviation, mean = POPULARITY_START
        truth = (ops.cast(y_true[:, 1], y_pred.dtype) - mean) / deviation
        return found + self.weight * ops.square(y_pred[:, self.outputs] - truth)

    def get_config(self) -> dict[str, Any]:
        """The loss's arguments."""
        loss = keras.saving.serialize_keras_object(self.loss)
        own = {"loss": loss, "outputs": self.outputs, "weight": self.weight}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WithPopularity:
        """Create the loss from the result of `get_config`."""
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


@keras.saving.register_keras_serializable("deephits")
class RankLoss(keras.losses.Loss):  # type: ignore[misc]
    """Squared error plus a pairwise ranking loss over the batch (after Yu et al. 2017).

    For each pair with different targets: softplus of minus the difference of the outputs, in the
    order of the targets (RankNet, Burges et al. 2005). Yu et al. sample pairs by an unpublished
    rule; here all pairs of a batch are used.

    Args:
        weight: Weight of the ranking term.
    """

    def __init__(self, weight: float = 1.0, name: str = "rank", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.weight = weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss per track, `(batch,)`: its squared error, and the mean over its pairs."""
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


def members_loss(
    task: Task, training: TrainingConfig, fusion: Fusion, *, beside: int = 0
) -> keras.losses.Loss:
    """The loss of the settings for a fusion of several networks, on `training_targets`.

    Args:
        task: The task.
        training: The settings.
        fusion: The fusion.
        beside: Number of each network's outputs beside the tiers (`members.MemberOutput`).

    Raises:
        UserError: as `training_loss`.
    """
    loss = training_loss(task, training)
    if weight := fusion.popularity_beside(classification=task.kind == "classification"):
        loss = WithPopularity(loss, task.outputs, weight)
    return PerMember(loss, task.outputs + beside)


def training_targets(task: Task, popularity: FloatArray, fusion: Fusion) -> Array:
    """What the loss of the settings is called on.

    Args:
        task: The task.
        popularity: `(n,)` popularity of the tracks, 0-100.
        fusion: The fusion.

    Returns:
        `(n,)` targets of the task; `(n, 2)` with popularity / 100 if a fusion predicts it beside
        tiers.
    """
    targets = task.targets(popularity)
    if not fusion.popularity_beside(classification=task.kind == "classification"):
        return targets
    return np.stack([targets, np.asarray(popularity) / POPULARITY_MAX], axis=1).astype(np.float32)


def loss_of(task: Task) -> keras.losses.Loss:
    """The paper's loss: cross-entropy on logits, or mean squared error (Section 2.2.2)."""
    if task.kind == "classification":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def check_loss(training: TrainingConfig, fusion: Fusion) -> None:
    """Check that a fusion has what the loss needs.

    Raises:
        UserError: if it hasn't.
    """
    if training.loss == TRIPLET and not fusion.one_embedding:
        raise UserError(
            f"--loss {TRIPLET} needs one embedding before the output, which the fusion "
            f"{fusion.name} hasn't"
        )


def training_loss(task: Task, training: TrainingConfig) -> keras.losses.Loss:
    """The loss of the settings.

    Raises:
        UserError: if it doesn't suit the kind of task.
    """
    if training.loss == "paper":
        return loss_of(task)
    if training.loss == "rank":
        if task.kind == "classification":
            raise UserError("--loss rank is for regression, not for tiers")
        return RankLoss(training.rank_weight)
    if task.kind != "classification":
        raise UserError(f"--loss {training.loss} is for tiers; for regression use paper or rank")
    if training.loss == TRIPLET:
        return TripletLoss(task.outputs, training.triplet_margin, training.triplet_weight)
    return FocalLoss(training.focal_gamma) if training.loss == "focal" else CostLoss()
