"""Texts to BERT's pooled [CLS] vectors, whatever computes them, and a cache of them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from .network import Arrays, TextNetwork, Tokenize

REMEMBERED = 4096
"""Number of vectors that are cached between calls: 12 MB at 768-D."""


class TextEmbedder(TextNetwork):
    """BERT's pooled [CLS] vector for texts of any length; `compute` gives `(batch, hidden size)`.

    Args:
        tokenize: Tokenizer of the checkpoint.
        max_tokens: Number of positions of the checkpoint.
    """

    def __init__(self, tokenize: Tokenize, max_tokens: int) -> None:
        super().__init__(tokenize, max_tokens)
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def embed(
        self, texts: Sequence[str], max_tokens: int, batch_size: int, windows: int = 1
    ) -> np.ndarray:
        """Embed texts; those with the same tokens are embedded once.

        Args:
            texts: At least one text.
            max_tokens: Most tokens per window, including [CLS] and [SEP].
            batch_size: Most windows per step.
            windows: Most windows per text, whose vectors are averaged; see `network.cuts`. With 1,
                a text is cut off after `max_tokens`.

        Returns:
            float32 `(len(texts), hidden size)`, in the order of `texts`.

        Raises:
            UserError: if the checkpoint has fewer positions than `max_tokens`.
        """
        keys = self.keys_of(texts, max_tokens, windows)
        distinct = dict.fromkeys(itertools.chain.from_iterable(keys))
        vectors = {key: self._known[key] for key in distinct if key in self._known}
        vectors |= self.rows((key for key in distinct if key not in vectors), batch_size)
        self._remember(vectors)
        return np.stack([np.mean([vectors[key] for key in one], axis=0) for one in keys])

    def _remember(self, vectors: Arrays) -> None:
        for key, vector in vectors.items():
            self._known[key] = vector
            self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
