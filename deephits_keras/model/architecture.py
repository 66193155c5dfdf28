"""The parts of a model with their shapes and trainable parameters.

A description that `deephits build` prints, a run stores (`architecture.json`) and
`deephits_keras.report.architecture_drawing` draws. This module doesn't need Keras.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from deephits_keras.errors import UserError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One layer of a part.

    Attributes:
        name: The layer's name in the model.
        kind: Its class, for example `Dense`.
        output_shape: Shape of its output without the batch axis.
        parameters: Trainable parameters.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The row from its part in `Architecture.to_json`'s result."""
        return cls(**{**values, "output_shape": tuple(values["output_shape"])})


@dataclass(frozen=True)
class Branch:
    """The encoder of one modality, from its features to its embedding.

    Attributes:
        modality: The modality.
        encoder: The encoder's name.
        inputs: Shape of each feature, without the batch axis.
        embedding_size: Size of the embedding.
        parameters: Trainable parameters of the whole branch.
        layers: Its layers, in order.
    """

    modality: str
    encoder: str
    inputs: dict[str, Shape]
    embedding_size: int
    parameters: int
    layers: tuple[LayerRow, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The branch from its part in `Architecture.to_json`'s result."""
        inputs = {name: tuple(shape) for name, shape in values["inputs"].items()}
        return cls(**{**values, "inputs": inputs, "layers": _layer_rows(values["layers"])})


@dataclass(frozen=True)
class Part:
    """A part of the model that all modalities share: the fusion, or the output layer.

    Attributes:
        name: Name of the part.
        output_size: Size of its output per track.
        parameters: Trainable parameters.
        layers: Its layers, in order.
    """

    name: str
    output_size: int
    parameters: int
    layers: tuple[LayerRow, ...]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The part from its place in `Architecture.to_json`'s result."""
        return cls(**{**values, "layers": _layer_rows(values["layers"])})


@dataclass(frozen=True)
class Architecture:
    """A model part by part, as the paper's Table A1 lists its own.

    Attributes:
        task: Name of the task.
        fusion: Name of the fusion.
        branches: One per modality, in the model's order.
        missing_embeddings: Trainable parameters of the learned embeddings of missing inputs; 0 if
            they are replaced by zeros, as in the paper.
        fusion_part: From the embeddings to the last hidden layer.
        output: The output layer.
        members: Number of models of an ensemble; 1 for no ensemble.
    """

    task: str
    fusion: str
    branches: tuple[Branch, ...]
    missing_embeddings: int
    fusion_part: Part
    output: Part
    members: int = 1

    @property
    def total(self) -> int:
        """Trainable parameters of the whole model, of all members of an ensemble together."""
        rest = self.missing_embeddings + self.fusion_part.parameters + self.output.parameters
        return self.members * (sum(branch.parameters for branch in self.branches) + rest)

    def to_json(self) -> dict[str, Any]:
        """The description as JSON types; `from_json` gives an equal one back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The description from `to_json`'s result, as it is or read back from JSON.

        Raises:
            UserError: if it isn't such a description.
        """
        try:
            return cls(
                **{
                    **values,
                    "branches": tuple(Branch.from_json(b) for b in values["branches"]),
                    "fusion_part": Part.from_json(values["fusion_part"]),
                    "output": Part.from_json(values["output"]),
                }
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(f"This is not a model's architecture: {error!r}") from error


def _layer_rows(rows: list[Mapping[str, Any]]) -> tuple[LayerRow, ...]:
    return tuple(LayerRow.from_json(row) for row in rows)
