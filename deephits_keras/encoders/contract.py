"""The contract between the core and a modality: `ModalityEncoder`.

Everything that knows what a spectrogram, a lyric or a metadata field is lives behind this class;
storage, pipeline, fusion, training and serving speak only of named arrays and embeddings.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from deephits_keras.encoders.features import (
    PRESENT,
    ExtractionError,
    Features,
    FeatureSpec,
    Field,
)
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input
from deephits_keras.encoders.settings import EncoderConfig, setting
from deephits_keras.errors import UserError
from deephits_keras.utils.files import hash_of_path

if TYPE_CHECKING:
    import keras
    import numpy as np

    from deephits_keras.encoders.explainable import Explainable
    from deephits_keras.tracks import Track

__all__ = [
    "AUDIO",
    "CONTRACT_VERSION",
    "LYRICS",
    "PRESENT",
    "EncoderConfig",
    "ExtractionError",
    "FeatureSpec",
    "Features",
    "Input",
    "ModalityEncoder",
    "setting",
]

CONTRACT_VERSION = 2
"""Version of the contract in this module; an encoder states the one that it was written for."""

SUPPORTED_VERSIONS = (1, 2)
"""Versions whose encoders load: one of version 1 declares no inputs and may read all of a track."""


ConfigT = TypeVar("ConfigT", bound=EncoderConfig)


class ModalityEncoder(abc.ABC, Generic[ConfigT]):
    """One way to turn a kind of input (a *modality*) into an embedding: a plug-in.

    An encoder has two halves and one configuration. *Outside the graph* `extract` turns a track
    into arrays of fixed shape, which the core stores, checksums, resumes and reads back. *Inside
    the graph* `build` turns a batch of those arrays into an embedding with Keras layers, which
    the core fuses with those of the other modalities. The core asks nothing else of an encoder.

    To write one:

    1. Subclass `EncoderConfig` as a frozen dataclass of `setting`s.
    2. Subclass this class; set the class attributes `name`, `modality`, `version` and `Config`;
       say in `inputs` what it reads of a track; write `feature_specs`, `extract` and `build`;
       write `adapt` if the branch normalises.
    3. Name the class in your distribution's metadata, in the entry-point group
       `deephits_keras.encoders`: `my_encoder = my_package:MyEncoder`.

    The module that holds the class is imported whenever encoders are listed, so it must not
    import Keras, TensorFlow or other heavy packages at its top: import them inside the methods.

    A layer of your own must be registered with
    `keras.saving.register_keras_serializable("deephits")` and its module imported by `build`: a
    saved run is loaded in safe mode after `build` was called once for each of its encoders.

    Attributes:
        name: The encoder's name, equal to its entry point's. Lower-case identifier.
        modality: The kind of input it serves. Lower-case identifier, used in input names.
        version: Raise it when `extract` gives other arrays for the same input.
        summary: One line for `deephits encoders list`.
        default: True for the encoder to take when `--modalities` names only the modality, and
            for a modality that takes part when no modalities are named. At most one encoder of a
            modality may say so; a modality's only encoder needn't.
        parallel: False if `extract_many` already uses every core (as a neural network does): the
            core then gives it one process instead of one for each core.
        learns_popularity: True if `adapt` needs the popularity of the training tracks: each batch
            then holds `popularity` as well, `(batch,)` float32, 0-100. Whoever uses it must see to
            it that no training track's own popularity reaches its own embedding.
        published_weights: Trained weights from outside that a setting can name: what they are,
            under which licence, where they are from. They are never part of a distribution.
        contract_version: The `CONTRACT_VERSION` that the encoder was written for.
        expected_failed_checks: Checks of `testing` that it can't pass, with the reason of each.
        Config: The configuration's class.

    Example:
        A whole encoder of a modality of its own, chroma, from the audio file:

        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class ChromaConfig(EncoderConfig):
        ...     sample_rate: int = setting(22050, "Hz", changes_features=True)
        ...     units: int = setting(16, "size of the embedding")
        >>> class Chroma(ModalityEncoder[ChromaConfig]):
        ...     name = "chroma_mean"
        ...     modality = "chroma"
        ...     version = "1"
        ...     summary = "mean chroma of the recording -> 16-D"
        ...     Config = ChromaConfig
        ...     inputs = (AUDIO,)
        ...
        ...     @property
        ...     def feature_specs(self):
        ...         return (FeatureSpec("chroma", (12,), "float32", "mean energy a pitch class"),)
        ...
        ...     def extract(self, track):
        ...         if track.audio is None:
        ...             return None
        ...         import librosa
        ...         from deephits_keras.audio import AudioError, load_audio
        ...         try:
        ...             waveform = load_audio(track.audio, self.config.sample_rate)
        ...         except AudioError as error:
        ...             raise ExtractionError(track.id, str(error)) from error
        ...         chroma = librosa.feature.chroma_stft(y=waveform, sr=self.config.sample_rate)
        ...         return {"chroma": chroma.mean(axis=1).astype("float32")}
        ...
        ...     def build(self, inputs):
        ...         from keras import layers
        ...         return layers.Dense(self.config.units, activation="relu")(inputs["chroma"])
    """

    name: ClassVar[str]
    modality: ClassVar[str]
    version: ClassVar[str]
    summary: ClassVar[str] = ""
    default: ClassVar[bool] = False
    parallel: ClassVar[bool] = True
    learns_popularity: ClassVar[bool] = False
    published_weights: ClassVar[str] = ""
    contract_version: ClassVar[int] = CONTRACT_VERSION
    expected_failed_checks: ClassVar[Mapping[str, str]] = {}
    Config: ClassVar[type[EncoderConfig]]

    def __init__(self, config: ConfigT | None = None) -> None:
        given = config if config is not None else self.Config()
        self.config: ConfigT = given.with_absolute_paths()  # type: ignore[assignment]

    # === Outside the graph ===

    @property
    def inputs(self) -> tuple[Input, ...] | None:
        """What `extract` reads of a track, for example `(AUDIO, Input("tempo"))`.

        Overridden by a property, or by a class attribute where no setting decides. Features
        depend on these inputs alone: when another column of the corpus changes, nothing is
        extracted again, and `extract` and all other methods get a track that holds no more than
        them. `import` finds the files, `predict` takes all by their names and refuses a field
        that no encoder reads.

        The default, None, is that of encoders of contract version 1: whatever changes in a track
        has it extracted again.
        """
        return None

    @property
    @abc.abstractmethod
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """What `extract` gives for a track. Cheap: no files are opened but small ones."""

    @abc.abstractmethod
    def extract(self, track: Track) -> Features | None:
        """Turn one track into arrays.

        Pure: the same track and configuration give the same bytes, and in another process the
        same up to the rounding of sums.

        Returns:
            An array for each feature spec, of exactly its shape and dtype and finite unless the
            branch handles NaN; or None if the track doesn't have this input (that is data, not
            an error).

        Raises:
            ExtractionError: if the input is there but can't be used.
        """

    def extract_many(self, tracks: Sequence[Track]) -> Iterator[Features | ExtractionError | None]:
        """Yield what `extract` gives for each track in order, an error as a value.

        Override it only if several tracks at once are cheaper than one by one.
        """
        for track in tracks:
            try:
                yield self.extract(track)
            except ExtractionError as error:
                yield error

    # === Inside the graph ===

    @abc.abstractmethod
    def build(self, inputs: Mapping[str, Any]) -> Any:
        """Build the branch: Keras tensors in, an embedding out.

        Use `keras.layers` and `keras.ops` only, so that the branch runs on every backend. Called
        once for each model; `adapt` was called before it if there was training data.

        Args:
            inputs: A float32 (integer features: int32) `KerasTensor` of shape
                `(batch, *spec.shape)` for each feature spec, by name. For a track that lacks
                the modality they are zeros, and the core replaces the embedding afterwards.

        Returns:
            A `KerasTensor` of shape `(batch, embedding size)`. Each row depends on its own row
            of the inputs only, at inference.
        """

    def adapt(self, batches: Iterable[Features]) -> None:
        """Learn normalisation statistics from the training split, before `build`.

        Keep them on the instance and let `build` put them into a layer, which saves them with
        the model. The default does nothing.

        Args:
            batches: The features of the training tracks that have this modality, with a leading
                batch axis. One pass only; never the whole corpus in memory.
        """

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """Names of the parts of the input that are missing from a track that has the modality.

        For a prediction's account of what it didn't know. The default: nothing.

        Args:
            track: The track.
            features: What `extract` gave for it.
        """
        del track, features
        return ()

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """What the reader of a prediction should know of these features, in words.

        For example that they are on another scale than what the model is meant for. The default:
        nothing.

        Args:
            track: The track.
            features: What `extract` gave for it.
        """
        del track, features
        return ()

    def describe(self, track: Track, features: Features) -> dict[str, float]:
        """Fields of the track that its features tell, by name and in the units of a corpus.

        `deephits predict --descriptors ENCODER` fills a track's unknown fields with them, so that
        a model trained on a table scores a bare recording. A value that isn't known is left out.
        The default tells none.

        Args:
            track: The track.
            features: What `extract` gave for it.
        """
        del track, features
        return {}

    # === Explaining ===

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """What of a track's input a score is attributed to, and how the answer is named and drawn.

        The default: each float feature as a whole, against zeros.

        Args:
            track: The track.
            features: What `extract` gave for it.
            branch: The trained branch that `build` made, from features by name.
        """
        from deephits_keras.encoders.explainable import ExplainableFeatures

        del track
        return ExplainableFeatures.from_zeros(self.feature_specs, features, branch)

    def fields(self) -> Mapping[str, Field]:
        """Named numbers among the features: a feature's name and a place on its first axis.

        Permutation importance exchanges each between tracks on its own. Several numbers that mean
        nothing one by one are named as one by all their places, with None in the place of a number
        for a whole feature: `{"artists": (("vectors", None), ("known", None))}` is a set with its
        mask. The default: none.
        """
        return {}

    # === For comparisons ===

    def ablations(self) -> Mapping[str, Mapping[str, Any]]:
        """Parts of the input that an ablation study leaves out one by one (Section 3.3.2).

        The study leaves out the whole modality as well. The default: no parts.

        Returns:
            For each part, by a name like `metadata` (lower-case identifier), the settings to
            change so that the encoder does without it. All else stays as it is.
        """
        return {}

    def tabular(self, features: Features) -> Mapping[str, np.ndarray[Any, Any]]:
        """A batch of features as named columns, for the shallow baselines (Table 6).

        The default, no columns: the modality takes no part in them.

        Args:
            features: An array `(batch, *spec.shape)` for each feature spec; the batch may be empty.

        Returns:
            `(batch,)` float numbers for each column, NaN where unknown, not scaled. Column names
            depend on the configuration only. A column that holds a field of the corpus has its
            name, and one of several made of one field is called `field=value`.
        """
        del features
        return {}

    @property
    def weights_used(self) -> str:
        """The `published_weights` that this configuration uses, for the run; empty for none."""
        return ""

    @property
    def embedding_size(self) -> int | None:
        """Size of the embedding that `build` gives with this configuration, for lists.

        None, the default, where it isn't known without building.
        """
        return None

    # === Configuration ===

    def get_config(self) -> dict[str, Any]:
        """The configuration as JSON types."""
        return self.config.to_json()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An encoder from `get_config`'s result.

        Raises:
            UserError: if the configuration isn't one of this encoder's.
        """
        return cls(cls.Config.from_json(config))  # type: ignore[arg-type]

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], settings: Mapping[str, Any]) -> Self:
        """An encoder from the configuration in a run or a corpus, which may be a stranger's.

        Override it to refuse what only the user may ask for, such as a download. The default
        refuses nothing.

        Args:
            stored: The configuration that was read.
            settings: The user's own, which count where both say something.

        Raises:
            UserError: if it isn't one of this encoder's, is refused, or names a path that is gone.
        """
        encoder = cls.from_config({**stored, **settings})
        if gone := encoder.gone_paths():
            raise UserError("\n".join(gone))
        return encoder

    def gone_paths(self) -> tuple[str, ...]:
        """What to say of each setting that is a path to what isn't there; empty if all are."""
        return tuple(
            f"The setting {name} of the encoder {self.name} names {value}, which isn't there. Say "
            f"where it is now: --{f'{self.name}-{name}'.replace('_', '-')} PATH"
            for name in self.config.paths()
            if isinstance(value := getattr(self.config, name), str)
            and not Path(value).expanduser().exists()
        )

    def path_content(self, name: str) -> str | None:
        """What stands in the fingerprint for the path in the setting `name`: its content's hash.

        The default: of the file, or of all files in the folder. Override it where only some of
        them count, or where a name may stand for a path.

        Raises:
            UserError: if there is no such file or folder.
        """
        value = getattr(self.config, name)
        if value is None:
            return None
        if gone := self.gone_paths():
            raise UserError("\n".join(gone))
        return f"sha256:{hash_of_path(Path(value).expanduser())}"

    def fingerprint_config(self) -> dict[str, Any]:
        """What the extracted arrays depend on, as JSON types.

        The default: the settings declared with `changes_features=True`, a path's content in the
        place of the path (`path_content`): the fingerprint must be the same on every machine.
        """
        wanted = {
            f.name for f in dataclasses.fields(self.config) if f.metadata.get("changes_features")
        }
        values = {name: value for name, value in self.get_config().items() if name in wanted}
        return values | {
            name: self.path_content(name) for name in self.config.paths() if name in wanted
        }

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that name this encoder's feature store."""
        identity = [self.name, self.version, self.fingerprint_config()]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    # === Samples and checks ===

    @classmethod
    def example_tracks(cls, folder: Path) -> Sequence[Track]:
        """A few different tracks that have this modality, for the checks of `testing`.

        Override it if the encoder needs what the default tracks lack: a field of its own, a
        longer recording. The default: short synthesised recordings with lyrics and fields.

        Args:
            folder: An empty folder to write files into.
        """
        from deephits_keras.encoders.example_tracks import sample_tracks

        return sample_tracks(folder)

    @classmethod
    def bad_tracks(cls, folder: Path) -> Sequence[Track]:
        """Tracks whose input is there and that `extract` must refuse with an `ExtractionError`.

        For the checks of `testing`, beside the damaged files that every encoder is tried with.
        The default: none.

        Args:
            folder: An empty folder to write files into.
        """
        del folder
        return ()

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """Make what this encoder can't run without in a synthetic corpus, and say how to use it.

        Called by `deephits sample`. An encoder that needs trained weights from outside writes a
        small untrained stand-in into `folder`. The default needs nothing.

        Args:
            folder: An empty folder of the encoder's own inside the sample.
            tracks: The sample's tracks, with their recordings, lyrics and fields, unless they lack
                them.

        Returns:
            Settings to use with the sample, as JSON types or `Path`s inside `folder`; the sample
            keeps a `Path` relative to itself, so that it can be moved.
        """
        del folder, tracks
        return {}
