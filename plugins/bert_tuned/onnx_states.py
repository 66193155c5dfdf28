"""The lower layers of a BERT, exported, in onnxruntime; or whichever a checkpoint has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..bert_lyrics.checkpoint import content_hash
from ..bert_lyrics.onnx_bert import opened
from ..bert_lyrics.portable import exported
from .states import TextStates


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
