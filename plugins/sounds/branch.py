"""Inside the graph: frames -> how often each sound occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class SoundShares(layers.Layer):  # type: ignore[misc]
    """The share of each sound in a track: its mean probability over the frames.

    The probability is that of a mixture of Gaussians of unit variance around the sounds, of equal
    weight, which is nearly 1 for the nearest sound.

    Args:
        mean: Mean of each coefficient.
        deviation: Standard deviation of each coefficient.
        centers: Coordinates of each sound, standardised.
    """

    def __init__(
        self,
        mean: Sequence[float],
        deviation: Sequence[float],
        centers: Sequence[Sequence[float]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean, self.deviation = list(mean), list(deviation)
        self.centers = [list(center) for center in centers]

    def call(self, frames: Tensor) -> Tensor:
        """`(batch, frames, coefficients)` to `(batch, sounds)`."""
        centers = np.array(self.centers, np.float64)
        mean, deviation = (
            ops.convert_to_tensor(np.array(v), frames.dtype) for v in (self.mean, self.deviation)
        )
        scaled = (frames - mean) / deviation
        towards = ops.convert_to_tensor(centers.T, frames.dtype)
        squares = ops.convert_to_tensor((centers**2).sum(axis=1) / 2, frames.dtype)
        weights = ops.softmax(ops.matmul(scaled, towards) - squares, axis=-1)
        return ops.mean(weights, axis=1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, sounds)`."""
        return (shape[0], len(self.centers))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {"mean": self.mean, "deviation": self.deviation, "centers": self.centers}
        return {**super().get_config(), **own}
