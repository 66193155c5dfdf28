"""Inside the graph: numbers of signals -> logarithms -> z-scores -> embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from deephits_keras.fields.vector import field_branch
from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class SignedLog(layers.Layer):  # type: ignore[misc]
    """The logarithm of one more than the size, with the sign: of any number, and 0 at 0.

    Plays and followers differ by factors of millions; near zero, as of a sentiment from -1 to 1,
    it changes little. NaN stays NaN.

    Example:
        >>> import numpy as np
        >>> logs = SignedLog()(np.array([[999.0, 0.0, -999.0]], "float32"))
        >>> ops.convert_to_numpy(logs).round(1).tolist()
        [[6.900000095367432, 0.0, -6.900000095367432]]
    """

    def call(self, values: Tensor) -> Tensor:
        """Any shape to the same."""
        return ops.sign(values) * ops.log1p(ops.abs(values))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return shape


def signals_branch(
    values: Tensor, columns: Sequence[str], mean: Any, deviation: Any, units: int
) -> Tensor:
    """`(batch, columns)`, NaN where unknown, to `(batch, units)`."""
    logs = SignedLog(dtype="float32", name="logarithms")(values)
    return field_branch(logs, fields=columns, mean=mean, deviation=deviation, units=units)
