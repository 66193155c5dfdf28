"""`Scaled`: a vector on a fixed scale, as a Keras layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class Scaled(layers.Layer):  # type: ignore[misc]
    """Subtract an offset, divide by a span, and replace unknown numbers (NaN) by 0.

    Args:
        offset: What to subtract from each number.
        span: What to divide each by.
    """

    def __init__(self, offset: list[float], span: list[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.offset, self.span = list(offset), list(span)

    def call(self, vector: Tensor) -> Tensor:
        """`(batch, columns)` to the same shape."""
        unknown = ops.isnan(vector)
        offset, span = (ops.convert_to_tensor(v, vector.dtype) for v in (self.offset, self.span))
        scaled = (vector - offset) / span
        return ops.where(unknown, ops.zeros_like(scaled), scaled)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "offset": self.offset, "span": self.span}
