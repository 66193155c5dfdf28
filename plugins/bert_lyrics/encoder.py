"""`BertLyrics`: the paper's lyrics encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import (
    ExtractionError,
    Features,
    FeatureSpec,
    readable_lyrics,
)
from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

from . import checkpoint, portable, sizes

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableLyrics


PRECISIONS = ("float32", "bfloat16")
"""Floating-point precisions that BERT computes with."""


@dataclass(frozen=True)
class BertLyricsConfig(EncoderConfig):
    """Settings of `BertLyrics`.

    Raises:
        ValueError: for a size that isn't positive, or `max_tokens` below 3 ([CLS], one piece,
            [SEP]).
    """

    checkpoint: str = setting(
        "bert-base-multilingual-cased",
        "folder of a Hugging Face BERT, a name in $DEEPHITS_CHECKPOINTS (default "
        "~/.cache/deephits/checkpoints), or keras-hub:PRESET, downloaded if given here",
        changes_features=True,
        path=True,
    )
    max_tokens: int = setting(
        512, "most WordPiece tokens per window, including [CLS] and [SEP]", changes_features=True
    )
    windows: int = setting(
        1,
        "most windows over long lyrics, whose vectors are averaged; 1: the rest is cut off",
        changes_features=True,
    )
    missing_text: str | None = setting(
        None,
        "text that replaces missing lyrics, as in the paper; by default a track without lyrics "
        "lacks the modality",
        changes_features=True,
    )
    precision: str = setting(
        "float32",
        "float32, or bfloat16: faster where the CPU or GPU computes with it, and less precise",
        changes_features=True,
    )
    batch_size: int = setting(16, "texts per step through BERT")
    units: int = setting(
        256, "size of both layers of the branch and of the embedding; 0: BERT's vector"
    )

    def __post_init__(self) -> None:
        if self.max_tokens < 3:
            raise ValueError(f"max_tokens must be at least 3. Received: {self.max_tokens}")
        for name in ("windows", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive. Received: {getattr(self, name)}")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be {' or '.join(PRECISIONS)}. Received: {self.precision!r}"
            )
        if self.units < 0:
            raise ValueError(f"units must not be negative. Received: {self.units}")


class BertLyrics(ModalityEncoder[BertLyricsConfig]):
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
    modality = "lyrics"
    version = "1"
    summary = "frozen multilingual BERT, pooled [CLS] vector -> 256-D"
    default = True
    parallel = False
    inputs = (LYRICS,)
    Config = BertLyricsConfig

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `cls`: `(hidden size,)` float32; 768 if the checkpoint is missing.

        Raises:
            UserError: if the checkpoint exists and isn't a BERT.
        """
        size = sizes.hidden_size(self.config.checkpoint)
        return (FeatureSpec("cls", (size,), "float32", "BERT's pooled [CLS] vector, -1 to 1"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or self.feature_specs[0].shape[0]

    def extract(self, track: Track) -> Features | None:
        """Embed one track's lyrics; `extract_many` is far faster for several.

        Returns:
            `{"cls": float32 (hidden size,)}`, or None without lyrics.

        Raises:
            ExtractionError: if the lyrics aren't valid Unicode.
            UserError: if the checkpoint is missing or can't be used.
        """
        (result,) = self.extract_many([track])
        if isinstance(result, ExtractionError):
            raise result
        return result

    def extract_many(self, tracks: Sequence[Track]) -> Iterator[Features | ExtractionError | None]:
        """Embed the lyrics of many tracks, sorted by length, each distinct text once.

        Raises:
            UserError: before the first result, if any track has lyrics and the checkpoint is
                missing or can't be used.
        """
        texts = [self._text(track) for track in tracks]
        wanted = [text for text in texts if isinstance(text, str)]
        if wanted:
            from .onnx_bert import load

            config = self.config
            bert = load(config.checkpoint, config.precision)
            vectors = iter(bert.embed(wanted, config.max_tokens, config.batch_size, config.windows))
        for text in texts:
            yield {"cls": next(vectors)} if isinstance(text, str) else text

    def _text(self, track: Track) -> str | ExtractionError | None:
        try:
            return readable_lyrics(track) or self.config.missing_text
        except ExtractionError as error:
            return error

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
        text = self._text(track)
        if not isinstance(text, str):
            raise ValueError(f"track {track.id} has no lyrics to explain")
        config = self.config
        bert = load_bert(config.checkpoint)  # float32: gradients need it
        return ExplainableLyrics(bert, text, config.max_tokens, config.windows, branch)

    def browser_half(self) -> BrowserHalf:
        """None: it would be hundreds of megabytes."""
        raise UserError("a BERT is too large for a page (the multilingual one has 0.7 GB)")

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], settings: Mapping[str, Any]) -> Self:
        """Refuse to download a preset because a run or a corpus names it.

        A missing folder is reported only when lyrics are read: a model can score other inputs
        without it.
        """
        encoder = cls.from_config({**stored, **settings})
        if "checkpoint" not in settings:
            checkpoint.refuse_download(encoder.config.checkpoint)
        return encoder

    def gone_paths(self) -> tuple[str, ...]:
        """Check absolute paths only; any other value is a name, which needs no folder yet."""
        if (
            checkpoint.find(self.config.checkpoint)
            or not Path(self.config.checkpoint).is_absolute()
        ):
            return ()
        return super().gone_paths()

    def require_extractable(self) -> None:
        """Require the checkpoint; a KerasHub preset is downloaded when it is needed."""
        name = self.config.checkpoint
        if not portable.read(name) and not name.startswith(checkpoint.PRESET_PREFIX):
            checkpoint.require(name)

    def path_content(self, name: str) -> str:
        """The hash of the checkpoint's content.

        A missing checkpoint, or a KerasHub preset, is represented by its name.
        """
        if exported := portable.read(getattr(self.config, name)):
            return exported.content
        folder = checkpoint.find(getattr(self.config, name))
        return f"sha256:{checkpoint.content_hash(folder)}" if folder else self.config.checkpoint

    def fingerprint_config(self) -> dict[str, Any]:
        """See the base class; checkpoints that older versions read wrongly get another store.

        The names of the stores of one window and of float32 are those of versions without others.
        """
        values = super().fingerprint_config()
        for name, former in (("windows", 1), ("precision", "float32")):
            if values[name] == former:
                del values[name]
        return {**values, "cased": True} if self._is_cased_unsaid() else values

    def _is_cased_unsaid(self) -> bool:
        """Whether the checkpoint is cased and its configuration doesn't say so."""
        if exported := portable.read(self.config.checkpoint):
            return exported.cased
        folder = checkpoint.find(self.config.checkpoint)
        case = self._unstated_case(folder) if folder is not None else None
        return case is not None and not case.lowers

    def write_portable(self, folder: Path) -> tuple[str, ...]:
        """Write the checkpoint as ONNX with its tokenizer, if it is on this machine.

        Not in another precision: ONNX' vectors are those of float32.
        """
        if not portable.is_here(self.config.checkpoint) or self.config.precision != "float32":
            return ()
        from .bert import load_bert

        content = self.path_content("checkpoint")
        bert = load_bert(self.config.checkpoint)
        portable.write(bert, folder, content, cased=self._is_cased_unsaid())
        return ("checkpoint",)

    @staticmethod
    def _unstated_case(folder: Path) -> checkpoint.Case | None:
        """How capital letters are treated, if the checkpoint's configuration doesn't state it."""
        if not all((folder / name).is_file() for name in checkpoint.REQUIRED_FILES):
            return None
        case = checkpoint.case_of(folder)
        return None if case.is_stated else case

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Whether the checkpoint is cased, if that had to be determined."""
        del track, features
        folder = checkpoint.find(self.config.checkpoint)
        case = self._unstated_case(folder) if folder is not None else None
        if case is None:
            return ()
        how = "uncased: capital letters are lowered" if case.lowers else "cased"
        return (
            f"the checkpoint is {how}, by its {case.decided_by}; its configuration doesn't say",
        )

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """Make a small untrained BERT whose vocabulary covers the lyrics; see `untrained`."""
        from .untrained import write_untrained_bert

        write_untrained_bert(folder, [track.lyrics for track in tracks if track.lyrics])
        return {"checkpoint": folder}
