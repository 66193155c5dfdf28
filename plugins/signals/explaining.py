"""Attribute a score to the numbers of signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.fields.vector import FieldVector
from deephits_keras.types import Array, Tensor

from .branch import SignedLog


class ExplainableSignals(Explainable):
    """The standardised logarithms as the point: every number counts alike, whatever its unit.

    The baseline is a track with every number at the training mean, so that an unknown one
    contributes nothing.

    Args:
        columns: Names of the numbers.
        numbers: `(columns,)` the track's, NaN where unknown.
        branch: The branch.
    """

    def __init__(self, columns: Sequence[str], numbers: Array, branch: keras.Model) -> None:
        self.columns, self.numbers = columns, numbers
        (vector,) = (layer for layer in branch.layers if isinstance(layer, FieldVector))
        self.rest = keras.Model(vector.output, branch.output)
        rows = np.stack([numbers, np.full_like(numbers, np.nan)])
        known, unknown = ops.convert_to_numpy(vector(SignedLog()(rows)))
        super().__init__({"vector": known}, {"vector": unknown}, "numbers at the training mean")

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the two dense layers."""
        return self.rest(values["vector"], training=False)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per number."""
        return [
            Part(column, float(share), "unknown", empty=True)
            if np.isnan(number)
            else Part(column, float(share), f"{number:.6g}")
            for column, share, number in zip(
                self.columns, attribution["vector"], self.numbers, strict=True
            )
        ]
