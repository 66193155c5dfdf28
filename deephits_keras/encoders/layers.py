"""Keras layers for the branches of encoders."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor

SHORTEST = 1e-12
"""Smallest squared length; a smaller one, as Keras' own, is 0 in LiteRT, which gives NaN."""


def dense(units: int, **options: Any) -> layers.Dense:
    """A dense layer whose kernel is initialised as that of PyTorch's `nn.Linear`.

    That is a uniform distribution of variance 1 / (3 fan_in).
    """
    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return layers.Dense(units, kernel_initializer=initializer, **options)


def unit_length(x: Tensor) -> Tensor:
    """Vectors on the last axis, divided by their lengths; zeros stay zeros."""
    squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, SHORTEST))


@keras.saving.register_keras_serializable("deephits")
class UnitLength(layers.Layer):  # type: ignore[misc]
    """`unit_length` as a layer."""

    def call(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return unit_length(x)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return shape
