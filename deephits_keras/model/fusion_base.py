"""`Fusion`: the base class of fusions.

Settings are known without Keras, which `build` imports: wrong ones are told before.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deephits_keras.errors import UserError
from deephits_keras.model.head_names import SOFTMAX, check_head
from deephits_keras.types import Tensor
from deephits_keras.utils.records import to_plain

POPULARITY_START = (0.2, 0.4)
"""Deviation and mean of popularity / 100 at which a regression starts: those of most tables."""


@dataclass(frozen=True)
class Fusion(abc.ABC):
    """A configured way to combine modalities.

    Attributes:
        name: The name in `FUSIONS`.
        per_member: Whether the training outputs are those of every member of a batch ensemble.
        per_group: Whether `build` gets one embedding per group of an encoder's numbers
            (`ModalityEncoder.groups`), as `modality.group`, instead of one per modality.
        one_embedding: Whether the output layer is called on one embedding `(batch, size)`, which
            losses of embeddings need.
        dropout: Dropout rate of the embeddings' units.
        units: Sizes of the fully connected layers before the output.
        head: Name of the output layer, from `head_names.HEADS`.

    Raises:
        UserError: for a dropout rate or a size of a layer that can't be.
    """

    name: ClassVar[str]
    per_member: ClassVar[bool] = False
    per_group: ClassVar[bool] = False
    one_embedding: ClassVar[bool] = True
    dropout: float = 0.5
    units: tuple[int, ...] = (64,)
    head: str = SOFTMAX

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout must be from 0 to below 1. Received: {self.dropout}")
        if any(size < 1 for size in self.units):
            sizes = ", ".join(map(str, self.units))
            raise UserError(f"units must be 1 or more. Received: {sizes}")

    def check(self, modalities: Sequence[str], *, classification: bool) -> None:
        """Check the settings for a model, without Keras.

        Args:
            modalities: The model's modalities.
            classification: Whether the task has tiers.

        Raises:
            UserError: if the fusion can't be built with them.
        """
        del modalities
        check_head(self.head, classification=classification)

    def popularity_beside(self, *, classification: bool) -> float:
        """Weight of the squared error of popularity in training, if it is predicted as well.

        Args:
            classification: Whether the task has tiers.

        Returns:
            The weight; 0 if the outputs in training are those of the task alone.
        """
        del classification
        return 0.0

    def for_branches(self, *, trained: bool) -> Fusion:
        """The fusion of a model whose branches have trainable parameters or not."""
        del trained
        return self

    @abc.abstractmethod
    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Build the head.

        Args:
            embeddings: `(batch, size)` per modality, or per group.
            presence: `(batch, 1)` per modality, zeros and ones.
            outputs: Number of raw outputs.
            classification: Whether the outputs are logits.

        Returns:
            Raw outputs `(batch, outputs)`, float32 at any precision policy.
        """

    def _hidden(self, x: Tensor, name: str) -> Tensor:
        """The fully connected layers before an output, with ReLU."""
        from deephits_keras.encoders.layers import dense

        for number, units in enumerate(self.units, start=1):
            x = dense(units, activation="relu", name=f"{name}_{number}")(x)
        return x

    def to_json(self) -> dict[str, Any]:
        """Name and settings as JSON types; `get_fusion` is the inverse."""
        # By hand: the name is the class's, not a field, and `get_fusion` finds the class by it.
        return {"name": self.name, **to_plain(self)}


def concatenate(tensors: list[Tensor], axis: int, name: str) -> Tensor:
    """Concatenate tensors; a single one is returned unchanged."""
    from keras import layers

    return layers.Concatenate(axis=axis, name=name)(tensors) if len(tensors) > 1 else tensors[0]
