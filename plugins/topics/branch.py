"""Inside the graph: word counts -> shares of topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.types import Tensor

from .plsa import shares


@keras.saving.register_keras_serializable("deephits")
class TopicShares(layers.Layer):  # type: ignore[misc]
    """The share of each topic in a text.

    Args:
        words: Probability of each word in each topic.
    """

    def __init__(self, words: Sequence[Sequence[float]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = [list(topic) for topic in words]

    def call(self, counts: Tensor) -> Tensor:
        """`(batch, words)` to `(batch, topics)`."""
        topics = len(self.words)
        words = ops.convert_to_tensor(np.array(self.words), counts.dtype)
        ones = ops.ones((topics, topics), counts.dtype)
        return shares(counts, words, ops.transpose(words), ones)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, topics)`."""
        return (shape[0], len(self.words))

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "words": self.words}
