"""Attribute a score to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.fields.columns import INDICATORS
from deephits_keras.fields.vector import FieldVector
from deephits_keras.types import Tensor


class ExplainableFields(Explainable):
    """The standardised vector as the point: unlike a key's number, it can be interpolated.

    The baseline is the vector of a track without values: every number at the training mean, the
    key undefined, the mode 0. An unknown value contributes nothing.

    Args:
        columns: Names of the columns.
        fields: `(columns,)` the track's values, NaN where unknown.
        branch: The branch.
    """

    def __init__(self, columns: Sequence[str], fields: Any, branch: keras.Model) -> None:
        self.columns, self.fields = columns, fields
        (vector,) = (layer for layer in branch.layers if isinstance(layer, FieldVector))
        self.rest = keras.Model(vector.output, branch.output)
        rows = np.stack([fields, np.full_like(fields, np.nan)])
        known, unknown = ops.convert_to_numpy(vector(rows))
        reference = "no values: numbers at the training mean, key undefined, mode 0"
        super().__init__({"vector": known}, {"vector": unknown}, reference)

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the two dense layers."""
        return self.rest(values["vector"], training=False)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per column; the indicators of the key are summed."""
        sizes = [INDICATORS.get(column, 1) for column in self.columns]
        pieces = np.split(attribution["vector"], np.cumsum(sizes)[:-1])
        return [
            Part(column, float(piece.sum()), "unknown", empty=True)
            if np.isnan(value)
            else Part(column, float(piece.sum()), f"{value:.6g}")
            for column, piece, value in zip(self.columns, pieces, self.fields, strict=True)
        ]
