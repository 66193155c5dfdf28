"""Attribute a score to the words of lyrics, through the lower layers and the branch."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import ops

from deephits_keras.types import Tensor

from ..bert_lyrics.bert import FrozenBert
from ..bert_lyrics.explaining import ExplainableWords
from .lower import states_before


class ExplainableStates(ExplainableWords):
    """Through the lower layers of BERT and the branch; states aren't rounded to float16.

    Args:
        bert: The whole BERT.
        text: The lyrics.
        max_tokens: Most tokens.
        layers: Number of BERT's last layers, which are in the branch.
        branch: The branch on top of the tokens' states.
    """

    def __init__(
        self, bert: FrozenBert, text: str, max_tokens: int, layers: int, branch: keras.Model
    ) -> None:
        self.max_tokens, self.branch = max_tokens, branch
        super().__init__(bert, text, max_tokens, 1, states_before(bert, layers))

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the lower layers, pad to the length that is stored, and apply the branch."""
        states = self.through(values["words"])
        length = states.shape[1]
        padded = ops.pad(states, ((0, 0), (0, self.max_tokens - length), (0, 0)))
        tokens = ops.full((ops.shape(states)[0], 1), length, "int32")
        return self.branch({"states": padded, "tokens": tokens}, training=False)
