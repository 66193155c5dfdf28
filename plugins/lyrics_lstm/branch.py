"""Inside the graph: word embeddings, a bidirectional LSTM, the mean of its states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from keras import layers, ops

from deephits_keras.encoders.layers import dense
from deephits_keras.types import Tensor

if TYPE_CHECKING:
    from .config import LyricsLSTMConfig


WORDS = "word_embedding"
"""Name of the layer whose output is the words' embeddings."""


def lstm(words: Tensor, config: LyricsLSTMConfig) -> Tensor:
    """Build the branch.

    Args:
        words: `(batch, max_words)` integers from 1 to `buckets`, then zeros.
        config: The encoder's settings.

    Returns:
        `(batch, units)`.
    """
    count = ops.sum(ops.cast(ops.not_equal(words, 0), "int32"), axis=1, keepdims=True)
    # At least one position: cuDNN accepts neither an empty sequence (a track without lyrics) nor a
    # gap, which mask_zero would make of a zero between words.
    mask = ops.less(np.arange(config.max_words, dtype="int32")[None], ops.maximum(count, 1))
    x = layers.Embedding(config.buckets + 1, config.word_size, name=WORDS)(words)
    recurrent = layers.LSTM(config.states, return_sequences=True)
    x = layers.Bidirectional(recurrent, name="lstm")(x, mask=mask)
    x = layers.GlobalAveragePooling1D(name="mean_state")(x, mask=mask)
    return dense(config.units, activation="relu", name="embedding")(x)
