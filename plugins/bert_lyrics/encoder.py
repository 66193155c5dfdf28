"""`BertLyrics`: the paper's lyrics encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.tracks import Track

from .base import CheckpointConfig, CheckpointEncoder

if TYPE_CHECKING:
    import keras

    from .bert import FrozenBert
    from .explaining import ExplainableLyrics


PRECISIONS = ("float32", "bfloat16")
"""Floating-point precisions that BERT computes with."""


@dataclass(frozen=True)
class BertLyricsConfig(CheckpointConfig):
    """Settings of `BertLyrics`.

    Raises:
        ValueError: for a size that isn't positive, or `max_tokens` below 3 ([CLS], one piece,
            [SEP]).
    """

    windows: int = setting(
        1,
        "most windows over long lyrics, whose vectors are averaged; 1: the rest is cut off",
        changes_features=True,
    )
    precision: str = setting(
        "float32",
        "float32, or bfloat16: faster where the CPU or GPU computes with it, and less precise",
        changes_features=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.windows < 1:
            raise ValueError(f"windows must be positive. Received: {self.windows}")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be {' or '.join(PRECISIONS)}. Received: {self.precision!r}"
            )


class BertLyrics(CheckpointEncoder[BertLyricsConfig]):
    """Lyrics as the pooled [CLS] vector of a frozen BERT (Sections 2.1 and 2.2.1).

    Outside the graph: the checkpoint's tokenizer splits the text into WordPieces, BERT processes
    them, and the pooler's output (tanh of a dense layer on the last [CLS] state) is stored. Inside:
    two fully connected layers with ReLU, 768-256-256 for the default checkpoint (Table A1, rows
    28-31: 262,656 parameters).

    BERT reads 512 tokens, and cuts longer lyrics. With `windows` above 1 that many windows at most
    are spread over the text, from its first to its last token, and their vectors are averaged.

    With `precision` bfloat16 BERT's weights and layers have it; the vectors are stored as float32
    all the same. It has a store of its own, as the vectors differ.

    A vector depends only on its own text, not on other tracks, the batch size or the padding (up
    to float32 rounding, below 1e-5). A track whose lyrics are None or have no printable character
    lacks the modality, unless `missing_text` is set.

    BERT runs in KerasHub on any Keras backend. Its GELU uses the tanh approximation, so vectors
    differ from PyTorch's by up to 3e-4. Only safetensors weights are read, and no code of a
    checkpoint is run.
    """

    name = "bert_lyrics"
    version = "1"
    summary = "frozen multilingual BERT, pooled [CLS] vector -> 256-D"
    default = True
    Config = BertLyricsConfig

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `cls`: `(hidden size,)` float32; 768 if the checkpoint is missing.

        Raises:
            UserError: if the checkpoint exists and isn't a BERT.
        """
        shape = (self.sizes.hidden,)
        return (FeatureSpec("cls", shape, "float32", "BERT's pooled [CLS] vector, -1 to 1"),)

    def features_of(self, texts: Sequence[str]) -> Sequence[Features]:
        """The vectors; see the base class."""
        from .onnx_bert import load

        config = self.config
        bert = load(config.checkpoint, config.precision)
        vectors = bert.embed(texts, config.max_tokens, config.batch_size, config.windows)
        return [{"cls": vector} for vector in vectors]

    def network(self, bert: FrozenBert) -> keras.Model:
        """See the base class."""
        return bert.model

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """Apply two dense layers to the vector: `(batch, hidden size)` -> `(batch, units)`."""
        from .branch import lyrics_branch

        return lyrics_branch(inputs["cls"], self.config.units)

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableLyrics:
        """Attribute to word embeddings, with the embedding of `[MASK]` as the baseline."""
        from .bert import load_bert
        from .explaining import ExplainableLyrics

        del features
        config = self.config
        bert = load_bert(config.checkpoint)  # float32: gradients need it
        text = self.text_of(track)
        return ExplainableLyrics(bert, text, config.max_tokens, config.windows, branch)

    def fingerprint_config(self) -> dict[str, Any]:
        """See the base class.

        The names of the stores of one window and of float32 are those of versions without others.
        """
        values = super().fingerprint_config()
        for name, former in (("windows", 1), ("precision", "float32")):
            if values[name] == former:
                del values[name]
        return values

    def write_portable(self, folder: Path) -> tuple[str, ...]:
        """See the base class; not in another precision, as ONNX' vectors are those of float32."""
        return super().write_portable(folder) if self.config.precision == "float32" else ()
