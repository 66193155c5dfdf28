"""An exported BERT outside the graph, in onnxruntime: texts in, pooled [CLS] vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_record

from .checkpoint import content_hash, find
from .embedding import TextEmbedder
from .portable import GRAPH, RECORD, TOKENIZER, Portable


class OnnxBert(TextEmbedder):
    """A BERT in onnxruntime.

    Args:
        folder: The folder that `portable.write` wrote; it may be untrusted.

    Raises:
        UserError: if a file is damaged, or onnxruntime or tokenizers isn't installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise UserError(
                f"An exported BERT needs {error.name}: pip install 'deephits-keras[runtime]'"
            ) from None
        from deephits_keras.export.formats.onnx_inspection import check_operators

        check_operators(folder / GRAPH)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = onnxruntime.InferenceSession(
                str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise UserError(f"{folder} is no exported BERT: {str(error)[:300]}") from error

        def tokenize(texts: Sequence[str], max_tokens: int) -> list[list[int]]:
            tokenizer.no_padding()
            tokenizer.enable_truncation(max_tokens)
            return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

        record = read_record(folder / RECORD, Portable, "an exported BERT")
        super().__init__(tokenize, record.max_tokens)

    def compute(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """See the base class."""
        return np.asarray(self._session.run(["outputs"], dict(inputs))[0])


def load(checkpoint: str, precision: str = "float32") -> TextEmbedder:
    """The BERT of a checkpoint, exported or not, loaded once per process.

    Raises:
        UserError: if it is missing or can't be used.
    """
    folder = find(checkpoint)
    if folder is not None and (folder / RECORD).is_file():
        if precision != "float32":
            raise UserError(f"{folder} is an exported BERT, which computes in float32 only")
        return _load(folder, content_hash(folder))
    from .bert import load_bert

    return load_bert(checkpoint, precision)


@lru_cache(maxsize=1)
def _load(folder: Path, content: str) -> OnnxBert:
    del content  # part of the cache key only, so that a replaced one is loaded again
    return OnnxBert(folder)
