"""Keras layers for the branches of encoders."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def dense(units: int, **options: Any) -> layers.Dense:
    """A fully connected layer whose kernel starts as PyTorch's `nn.Linear` does.

    That is a uniform distribution of variance 1 / (3 fan_in).
    """
    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return layers.Dense(units, kernel_initializer=initializer, **options)
