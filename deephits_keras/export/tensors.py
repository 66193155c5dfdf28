"""The inputs of an exported graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from deephits_keras.encoders.features import PRESENT, input_dtype, input_name
from deephits_keras.encoders.registry import AnyEncoder

LARGEST_INPUT = 2**28
"""Most values of one input per track; the paper's spectrogram has 165,376."""


@dataclass(frozen=True)
class TensorInfo:
    """An input of the graph.

    Attributes:
        name: Its name: `{modality}_{feature}`, or `{modality}_present`.
        shape: Its shape for one track; the graph has a batch axis before it.
        dtype: `float32` or `int32`.
        description: Its content, with units.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    description: str

    def __post_init__(self) -> None:
        if self.dtype not in ("float32", "int32"):
            raise ValueError(f"input {self.name!r} must be of float32 or int32")
        if min(self.shape, default=1) < 1:
            raise ValueError(f"input {self.name!r}: the sizes of a shape must be positive")
        if math.prod(self.shape) > LARGEST_INPUT:
            raise ValueError(f"input {self.name!r}: shape {self.shape} is too large")


def tensors(encoders: Mapping[str, AnyEncoder]) -> list[TensorInfo]:
    """The inputs of a model with some encoders, sorted by name."""
    found = []
    for modality, encoder in encoders.items():
        for spec in encoder.feature_specs:
            name = input_name(modality, spec.name)
            found.append(TensorInfo(name, spec.shape, input_dtype(spec), spec.description))
        mask = f"1 where the track has {modality}, 0 where it hasn't"
        found.append(TensorInfo(input_name(modality, PRESENT), (1,), "float32", mask))
    return sorted(found, key=lambda tensor: tensor.name)
