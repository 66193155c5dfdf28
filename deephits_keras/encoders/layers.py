"""Keras layers for the branches of encoders."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def dense(units: int, **options: Any) -> layers.Dense:
    """A dense layer whose kernel is initialised as that of PyTorch's `nn.Linear`.

    That is a uniform distribution of variance 1 / (3 fan_in).
    """
    initializer = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    return layers.Dense(units, kernel_initializer=initializer, **options)
