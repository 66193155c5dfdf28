"""What the encoders of a BERT checkpoint have in common: its place, identity and content."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import ExtractionError, Features, readable_lyrics
from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

from . import checkpoint, portable
from .sizes import sizes_of

if TYPE_CHECKING:
    import keras

    from .bert import FrozenBert


MULTILINGUAL = "bert-base-multilingual-cased"


@dataclass(frozen=True)
class CheckpointConfig(EncoderConfig):
    """Settings of a `CheckpointEncoder`.

    Raises:
        ValueError: for a size that isn't positive, or `max_tokens` below 3 ([CLS], one piece,
            [SEP]).
    """

    checkpoint: str = setting(
        MULTILINGUAL,
        "folder of a Hugging Face BERT, a name in $DEEPHITS_CHECKPOINTS (default "
        "~/.cache/deephits/checkpoints), or keras-hub:PRESET, downloaded if given here",
        changes_features=True,
        path=True,
    )
    max_tokens: int = setting(
        512, "most WordPiece tokens per window, including [CLS] and [SEP]", changes_features=True
    )
    missing_text: str | None = setting(
        None,
        "text that replaces missing lyrics, as in the paper; by default a track without lyrics "
        "lacks the modality",
        changes_features=True,
    )
    batch_size: int = setting(16, "texts per step through BERT, in extraction")
    units: int = setting(
        256, "size of both layers of the branch and of the embedding; 0: BERT's vector"
    )

    def __post_init__(self) -> None:
        if self.max_tokens < 3:
            raise ValueError(f"max_tokens must be at least 3. Received: {self.max_tokens}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be positive. Received: {self.batch_size}")
        if self.units < 0:
            raise ValueError(f"units must not be negative. Received: {self.units}")


CheckpointConfigT = TypeVar("CheckpointConfigT", bound=CheckpointConfig)


class CheckpointEncoder(ModalityEncoder[CheckpointConfigT]):
    """An encoder of lyrics that runs a BERT checkpoint outside the graph.

    Subclasses implement `features_of`, `network` and the branch.
    """

    modality = "lyrics"
    parallel = False
    inputs = (LYRICS,)
    published_weights = f"{MULTILINGUAL} (Google), Apache-2.0, huggingface.co/{MULTILINGUAL}"

    @property
    def weights_used(self) -> str:
        """See the base class; empty for checkpoints of another name."""
        return self.published_weights if Path(self.config.checkpoint).name == MULTILINGUAL else ""

    @property
    def sizes(self) -> checkpoint.Sizes:
        """Sizes of the checkpoint, BERT base's if it is missing.

        Raises:
            UserError: if it exists and isn't a BERT.
        """
        return sizes_of(self.config.checkpoint)

    @property
    def layers_left(self) -> int:
        """Number of BERT's last layers that `network` leaves to the branch."""
        return 0

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or self.sizes.hidden

    # === Outside the graph ===

    @abc.abstractmethod
    def features_of(self, texts: Sequence[str]) -> Sequence[Features]:
        """The features of each text, in order.

        Args:
            texts: At least one text with a printable character.

        Raises:
            UserError: if the checkpoint is missing or can't be used.
        """

    @abc.abstractmethod
    def network(self, bert: FrozenBert) -> keras.Model:
        """The network that `features_of` applies, for an exported model.

        Args:
            bert: The checkpoint.

        Returns:
            A model of `bert.model`'s inputs.
        """

    def extract(self, track: Track) -> Features | None:
        """Read one track's lyrics; `extract_many` is far faster for several.

        Returns:
            The features, or None without lyrics.

        Raises:
            ExtractionError: if the lyrics aren't valid Unicode.
            UserError: if the checkpoint is missing or can't be used.
        """
        (result,) = self.extract_many([track])
        if isinstance(result, ExtractionError):
            raise result
        return result

    def extract_many(self, tracks: Sequence[Track]) -> Iterator[Features | ExtractionError | None]:
        """Read the lyrics of many tracks, sorted by length, each distinct text once.

        Raises:
            UserError: before the first result, if any track has lyrics and the checkpoint is
                missing or can't be used.
        """
        texts = [self.text_or_error(track) for track in tracks]
        wanted = [text for text in texts if isinstance(text, str)]
        features = iter(self.features_of(wanted) if wanted else ())
        for text in texts:
            yield next(features) if isinstance(text, str) else text

    def text_or_error(self, track: Track) -> str | ExtractionError | None:
        """The text that is read for a track; None if it lacks the modality."""
        try:
            return readable_lyrics(track) or self.config.missing_text
        except ExtractionError as error:
            return error

    def text_of(self, track: Track) -> str:
        """The text of a track that has the modality, to explain it."""
        text = self.text_or_error(track)
        if not isinstance(text, str):
            raise ValueError(f"track {track.id} has no lyrics to explain")
        return text

    def browser_half(self) -> BrowserHalf:
        """None: it would be hundreds of megabytes."""
        raise UserError("a BERT is too large for a page (the multilingual one has 0.7 GB)")

    # === The checkpoint ===

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
        """See the base class; checkpoints that older versions read wrongly get another store."""
        values = super().fingerprint_config()
        return {**values, "cased": True} if self._is_cased_unsaid() else values

    def _is_cased_unsaid(self) -> bool:
        """Whether the checkpoint is cased and its configuration doesn't say so."""
        if exported := portable.read(self.config.checkpoint):
            return exported.cased
        case = self._unstated_case()
        return case is not None and not case.lowers

    def _unstated_case(self) -> checkpoint.Case | None:
        """How capital letters are treated, if the checkpoint's configuration doesn't state it."""
        folder = checkpoint.find(self.config.checkpoint)
        if folder is None or not all(
            (folder / name).is_file() for name in checkpoint.REQUIRED_FILES
        ):
            return None
        case = checkpoint.case_of(folder)
        return None if case.is_stated else case

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Whether the checkpoint is cased, if that had to be determined."""
        del track, features
        case = self._unstated_case()
        if case is None:
            return ()
        how = "uncased: capital letters are lowered" if case.lowers else "cased"
        return (
            f"the checkpoint is {how}, by its {case.decided_by}; its configuration doesn't say",
        )

    def write_portable(self, folder: Path) -> tuple[str, ...]:
        """Write the network as ONNX with its tokenizer, if the checkpoint is on this machine."""
        if not portable.is_here(self.config.checkpoint):
            return ()
        from .bert import load_bert

        bert = load_bert(self.config.checkpoint)
        written = portable.Portable(
            content=self.path_content("checkpoint"),
            cased=self._is_cased_unsaid(),
            max_tokens=bert.max_tokens,
            left=self.layers_left,
        )
        portable.write(bert, self.network(bert), folder, written)
        return ("checkpoint",)

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """Make a small untrained BERT whose vocabulary covers the lyrics; see `untrained`."""
        from .untrained import write_untrained_bert

        write_untrained_bert(folder, [track.lyrics for track in tracks if track.lyrics])
        return {"checkpoint": folder}
