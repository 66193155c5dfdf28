"""Outside the graph: texts to their tokens' states before the last layers of a frozen BERT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..bert_lyrics.checkpoint import content_hash
from ..bert_lyrics.network import TextNetwork, token_count
from ..bert_lyrics.onnx_bert import opened
from ..bert_lyrics.portable import exported


class TextStates(TextNetwork):
    """The tokens' states; `compute` gives `(batch, tokens, hidden size)`."""

    def states(
        self, texts: Sequence[str], max_tokens: int, batch_size: int
    ) -> Iterator[np.ndarray]:
        """The states of each text, in order; those with the same tokens are computed once.

        Args:
            texts: At least one text.
            max_tokens: Most tokens per text, including [CLS] and [SEP]; the rest is cut off.
            batch_size: Most texts per step.

        Yields:
            float32 `(tokens of the text, hidden size)`.

        Raises:
            UserError: if the checkpoint has fewer positions than `max_tokens`.
        """
        keys = [key for (key,) in self.keys_of(texts, max_tokens)]
        found = self.rows(dict.fromkeys(keys), batch_size)
        for key in keys:
            yield found[key][: token_count(key)]


class OnnxStates(TextStates):
    """The lower layers of a BERT in onnxruntime.

    Args:
        folder: The folder that `portable.write` wrote; it may be untrusted.
        left: Number of last layers that are left out.

    Raises:
        UserError: see `onnx_bert.opened`.
    """

    def __init__(self, folder: Path, left: int) -> None:
        self._run, tokenize, max_tokens = opened(folder, left)
        super().__init__(tokenize, max_tokens)

    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See the base class."""
        return self._run(inputs)


def load(checkpoint: str, left: int) -> TextStates:
    """The lower layers of a checkpoint, exported or not, loaded once per process.

    Args:
        checkpoint: As in `BertTunedConfig`.
        left: Number of last layers that are left out.

    Raises:
        UserError: if it is missing, can't be used or has fewer layers.
    """
    if folder := exported(checkpoint):
        return _load(folder, content_hash(folder), left)
    from ..bert_lyrics.bert import load_bert
    from .lower import lower_layers

    return lower_layers(load_bert(checkpoint), left)


@lru_cache(maxsize=1)
def _load(folder: Path, content: str, left: int) -> OnnxStates:
    del content  # part of the cache key only, so that a replaced one is loaded again
    return OnnxStates(folder, left)
