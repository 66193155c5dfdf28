"""Inside the graph: word counts -> tf-idf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.encoders.layers import unit_length
from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class Tfidf(layers.Layer):  # type: ignore[misc]
    """log(1 + count) times the weight of each word, as a vector of unit length.

    Args:
        weights: Inverse document frequency of each word.
    """

    def __init__(self, weights: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.word_weights = [float(weight) for weight in weights]

    def call(self, counts: Tensor) -> Tensor:
        """`(batch, words)` to the same shape."""
        weights = ops.convert_to_tensor(np.array(self.word_weights), counts.dtype)
        return unit_length(ops.log1p(counts) * weights)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "weights": self.word_weights}
