"""A checkpoint as an ONNX graph with its tokenizer, for machines without Keras.

model.onnx       from token ids to pooled vectors, or to states, for any batch and length
tokenizer.json   the tokenizer, of the library `tokenizers`
config.json      the sizes, as in a checkpoint
portable.json    the identity of the checkpoint (`Portable`)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deephits_keras.utils.files import read_record, write_json, write_text

from .checkpoint import PRESET_PREFIX, find, find_preset

if TYPE_CHECKING:
    import keras

    from .bert import FrozenBert

GRAPH, TOKENIZER, RECORD = "model.onnx", "tokenizer.json", "portable.json"


@dataclass(frozen=True)
class Portable:
    """The checkpoint that was written.

    Attributes:
        content: Its identity in fingerprints.
        cased: Whether it is cased without saying so (`CheckpointEncoder.fingerprint_config`).
        max_tokens: Number of its positions.
        left: Number of its last layers that the graph lacks: it gives the tokens' states before
            them; 0: it gives pooled vectors.
    """

    content: str
    cased: bool
    max_tokens: int
    left: int = 0


def exported(checkpoint: str) -> Path | None:
    """The folder of a checkpoint that `write` wrote; None for any other."""
    folder = find(checkpoint)
    return folder if folder is not None and (folder / RECORD).is_file() else None


def read(checkpoint: str) -> Portable | None:
    """The record of a checkpoint that `write` wrote; None for any other.

    Raises:
        UserError: if it is damaged.
    """
    folder = exported(checkpoint)
    return read_record(folder / RECORD, Portable, "an exported BERT") if folder else None


def is_here(checkpoint: str) -> bool:
    """Whether a checkpoint is on this machine."""
    return find(checkpoint) is not None or (
        checkpoint.startswith(PRESET_PREFIX)
        and find_preset(checkpoint.removeprefix(PRESET_PREFIX)) is not None
    )


def write(bert: FrozenBert, network: keras.Model, folder: Path, record: Portable) -> None:
    """Write a network for `onnx_bert.opened`.

    Args:
        bert: The BERT; Keras must run on TensorFlow.
        network: What is computed of it, from its inputs to one output.
        folder: An empty folder.
        record: What it is.

    Raises:
        UserError: if it can't be converted.
    """
    from deephits_keras.export.formats.frozen import frozen
    from deephits_keras.export.formats.onnx import write_onnx

    write_onnx(frozen(network), folder / GRAPH)
    write_text(folder / TOKENIZER, bert.tokenizer)
    write_json(folder / RECORD, record)
    size = int(network.output.shape[-1])
    write_json(folder / "config.json", {"model_type": "bert", "hidden_size": size})
