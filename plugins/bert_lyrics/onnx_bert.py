"""An exported BERT outside the graph, in onnxruntime: texts in, pooled [CLS] vectors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_record

from .checkpoint import content_hash
from .embedding import TextEmbedder
from .network import Tokenize
from .portable import GRAPH, RECORD, TOKENIZER, Portable, exported

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From `token_ids`, `segment_ids` and `padding_mask` to the graph's output."""


def opened(folder: Path, left: int) -> tuple[Run, Tokenize, int]:
    """Open what `portable.write` wrote.

    Args:
        folder: The folder; it may be untrusted.
        left: Number of BERT's last layers that the graph must lack.

    Returns:
        What the graph computes, its tokenizer, and the number of its positions.

    Raises:
        UserError: if a file is damaged or of another number of layers, or onnxruntime or
            tokenizers isn't installed.
    """
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError(
            f"An exported BERT needs {error.name}: pip install 'deephits-keras[runtime]'"
        ) from None
    from deephits_keras.export.formats.onnx_inspection import check_operators

    record = read_record(folder / RECORD, Portable, "an exported BERT")
    if record.left != left:
        raise UserError(
            f"{folder} is an exported BERT without its last {record.left} layers; one without "
            f"{left} is needed"
        )
    check_operators(folder / GRAPH)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        session = onnxruntime.InferenceSession(
            str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UserError(f"{folder} is no exported BERT: {str(error)[:300]}") from error

    def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(session.run(["outputs"], dict(inputs))[0])

    def tokenize(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

    return run, tokenize, record.max_tokens


class OnnxBert(TextEmbedder):
    """A BERT in onnxruntime.

    Args:
        folder: The folder that `portable.write` wrote; it may be untrusted.

    Raises:
        UserError: see `opened`.
    """

    def __init__(self, folder: Path) -> None:
        self._run, tokenize, max_tokens = opened(folder, left=0)
        super().__init__(tokenize, max_tokens)

    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See the base class."""
        return self._run(inputs)


def load(checkpoint: str, precision: str = "float32") -> TextEmbedder:
    """The BERT of a checkpoint, exported or not, loaded once per process.

    Raises:
        UserError: if it is missing or can't be used.
    """
    if folder := exported(checkpoint):
        if precision != "float32":
            raise UserError(f"{folder} is an exported BERT, which computes in float32 only")
        return _load(folder, content_hash(folder))
    from .bert import load_bert

    return load_bert(checkpoint, precision)


@lru_cache(maxsize=1)
def _load(folder: Path, content: str) -> OnnxBert:
    del content  # part of the cache key only, so that a replaced one is loaded again
    return OnnxBert(folder)
