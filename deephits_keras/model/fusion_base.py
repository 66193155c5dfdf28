"""`Fusion`: what every way to combine modalities is made of."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import layers

from deephits_keras.encoders.layers import dense
from deephits_keras.model.heads import HEADS
from deephits_keras.types import Tensor


@dataclass(frozen=True)
class Fusion(abc.ABC):
    """A way to combine modalities, configured.

    Attributes:
        name: The name in `FUSIONS`.
        per_member: Whether the outputs in training are those of every member of a batch ensemble.
        dropout: Share of the embeddings' units dropped in training.
        units: Sizes of the fully connected layers before the output.
        heads: Names of the last layers that it can have, of `heads.HEADS`.
        head: The last layer, one of `heads`.
    """

    name: ClassVar[str]
    per_member: ClassVar[bool] = False
    heads: ClassVar[tuple[str, ...]] = tuple(HEADS)
    dropout: float = 0.5
    units: tuple[int, ...] = (64,)
    head: str = "softmax"

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
            embeddings: `(batch, size)` for each modality.
            presence: `(batch, 1)` for each modality, zeros and ones.
            outputs: Number of raw outputs.
            classification: Whether the outputs are logits.

        Returns:
            Raw outputs `(batch, outputs)`, float32 at any precision policy.
        """

    def _hidden(self, x: Tensor, name: str) -> Tensor:
        """The fully connected layers before an output, with ReLU."""
        for number, units in enumerate(self.units, start=1):
            x = dense(units, activation="relu", name=f"{name}_{number}")(x)
        return x

    def to_json(self) -> dict[str, Any]:
        """Name and settings as JSON types; `get_fusion` takes it back."""
        return {"name": self.name, **dataclasses.asdict(self)}


def concatenate(tensors: list[Tensor], axis: int, name: str) -> Tensor:
    """Several tensors as one; a single one as it is."""
    return layers.Concatenate(axis=axis, name=name)(tensors) if len(tensors) > 1 else tensors[0]
