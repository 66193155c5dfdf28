"""The contract between the core and a modality: `ModalityEncoder`.

All code that is specific to one modality, such as spectrograms or lyrics, implements this class;
storage, pipeline, fusion, training and serving only handle named arrays and embeddings.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.features import (
    PRESENT,
    ExtractionError,
    Features,
    FeatureSpec,
    Field,
    FieldFeatures,
)
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input
from deephits_keras.encoders.settings import EncoderConfig, setting
from deephits_keras.errors import SettingError, UserError
from deephits_keras.utils.files import hash_of_path

if TYPE_CHECKING:
    import keras
    import numpy as np

    from deephits_keras.encoders.explainable import Explainable
    from deephits_keras.encoders.picture import Picture
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
"""Version of this contract; every encoder states the version that it was written for."""

SUPPORTED_VERSIONS = (1, 2)
"""Versions that can be loaded; version 1 declares no inputs and may read the whole track."""


ConfigT = TypeVar("ConfigT", bound=EncoderConfig)


class ModalityEncoder(abc.ABC, Generic[ConfigT]):
    """One way to turn a kind of input (a *modality*) into an embedding: a plug-in.

    An encoder has two halves and one configuration. *Outside the graph* `extract` turns a track
    into arrays of fixed shape, which the core stores, checksums, resumes and reads back. *Inside
    the graph* `build` turns a batch of those arrays into an embedding with Keras layers, which
    the core fuses with those of the other modalities. The core needs nothing else of an encoder.

    To write one:

    1. Subclass `EncoderConfig` as a frozen dataclass of `setting`s.
    2. Subclass this class; set the class attributes `name`, `modality`, `version` and `Config`;
       declare in `inputs` what it reads of a track; write `feature_specs`, `extract` and
       `build`; write `adapt` if the branch normalises its input.
    3. Name the class in your distribution's metadata, in the entry-point group
       `deephits_keras.encoders`: `my_encoder = my_package:MyEncoder`.

    The module that holds the class is imported whenever encoders are listed, so it must not
    import Keras, TensorFlow or other heavy packages at its top: import them inside the methods.

    A layer of your own must be registered with
    `keras.saving.register_keras_serializable("deephits")` and its module imported by `build`: a
    saved run is loaded in safe mode after `build` was called once for each of its encoders.

    Attributes:
        name: The encoder's name, equal to its entry point's. Lower-case identifier.
        modality: Its modality (kind of input). Lower-case identifier, used in input names.
        version: Must change whenever `extract` returns other arrays for the same input.
        summary: One line for `deephits encoders list`.
        default: True for the default encoder of its modality: it is used if `--modalities` names
            only the modality or isn't given. At most one encoder per modality; not needed if it
            is the modality's only encoder.
        parallel: False if `extract_many` already uses every core, as a neural network does. The
            core then runs it in one process instead of one per core.
        learns_popularity: True if `adapt` needs the popularity of the training tracks. Each batch
            then has the key `popularity` as well: `(batch,)` float32, 0-100. The encoder must
            ensure that no training track's popularity reaches the track's own embedding. After a
            warm start it is adapted anew.
        adapts_to_popularity: True if `adapt` needs it for statistics of many tracks only, of which
            a single one decides little, such as the shrunk mean of a category: they are learned as
            weights are, and kept in a warm start. Each batch has it as with `learns_popularity`.
        published_weights: Pretrained weights that a setting can name: name, licence and source.
            They are never part of a distribution.
        contract_version: The `CONTRACT_VERSION` that the encoder was written for.
        expected_failed_checks: Checks of `testing` that it can't pass: reason by name of the check.
        Config: Class of its configuration.

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
        ...         return (FeatureSpec("chroma", (12,), "float32", "mean energy per pitch class"),)
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
    adapts_to_popularity: ClassVar[bool] = False
    published_weights: ClassVar[str] = ""
    contract_version: ClassVar[int] = CONTRACT_VERSION
    expected_failed_checks: ClassVar[Mapping[str, str]] = {}
    Config: ClassVar[type[EncoderConfig]]

    def __init__(self, config: ConfigT | None = None) -> None:
        given = config if config is not None else self.Config()
        self.config: ConfigT = given.with_absolute_paths()  # type: ignore[assignment]

    # === Outside the graph ===

    @property
    def needs_popularity(self) -> bool:
        """Whether `adapt` needs the training tracks' popularity."""
        return self.learns_popularity or self.adapts_to_popularity

    @property
    def inputs(self) -> tuple[Input, ...] | None:
        """What `extract` reads of a track, for example `(AUDIO, Input("tempo"))`.

        Overridden by a class attribute, or by a property if it depends on settings. Features
        depend on these inputs alone: if another column of the corpus changes, nothing is
        extracted again, and every method gets a track that contains only these inputs. `import`
        finds the files; `predict` accepts all inputs by name and refuses a field that no encoder
        reads.

        The default, None, is for encoders of contract version 1: any change of a track causes it
        to be extracted again.
        """
        return None

    @property
    @abc.abstractmethod
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """Name, shape and dtype of the arrays that `extract` returns. Must be cheap to compute."""

    @abc.abstractmethod
    def extract(self, track: Track) -> Features | None:
        """Compute the features of one track.

        Pure function: the same track and configuration give the same bytes; in another process,
        the same values up to rounding.

        Returns:
            One array per feature spec, with exactly its shape and dtype, and finite unless the
            branch handles NaN; or None if the track lacks this input (a missing modality, not an
            error).

        Raises:
            ExtractionError: if the input is there but can't be used.
        """

    def extract_many(self, tracks: Sequence[Track]) -> Iterator[Features | ExtractionError | None]:
        """Yield the result of `extract` for each track in order; errors are yielded, not raised.

        Override it only if processing several tracks together is faster.
        """
        for track in tracks:
            try:
                yield self.extract(track)
            except ExtractionError as error:
                yield error

    def extract_fields(
        self, fields: Mapping[str, np.ndarray[Any, Any]], tracks: int
    ) -> FieldFeatures | None:
        """Compute the features of many tracks at once, from columns of their fields.

        For encoders that read fields alone: `predict --table` is then many times as fast. Must give
        what `extract` and `missing_parts` give for each track; the encoder must have no `remarks`.

        Args:
            fields: `(tracks,)` values of the declared inputs that the table has, by name: float64
                for the standard columns, NaN where unknown; objects for others, None where unknown.
            tracks: Number of tracks.

        Returns:
            The features, or None, the default, to extract each track by `extract`; for example if
            some value can't be used.
        """
        del fields, tracks
        return None

    # === Inside the graph ===

    @abc.abstractmethod
    def build(self, inputs: Mapping[str, Any]) -> Any:
        """Build the branch: Keras tensors in, an embedding out.

        Use `keras.layers` and `keras.ops` only, so that the branch runs on every backend. Called
        once per model, after `adapt` if the model is to be trained.

        Args:
            inputs: One `KerasTensor` of shape `(batch, *spec.shape)` per feature spec, by name;
                float32, or int32 for integer features. For a track that lacks the modality they
                are zeros, and the core replaces the embedding afterwards.

        Returns:
            The embedding, a `KerasTensor` of shape `(batch, embedding size)`. At inference, each
            row depends only on its own row of the inputs.
        """

    def groups(self) -> Mapping[str, int]:
        """Sizes of groups of consecutive numbers of the embedding, in order, by name.

        For fusions that treat each group apart, such as `wide_deep`. The sizes add up to the
        embedding's; names are lower-case identifiers. The default, none: it is one group.
        """
        return {}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute normalisation statistics of the training split; called before `build`.

        Keep them on the instance and pass them to a layer in `build`, so that they are saved with
        the model. The default does nothing.

        Args:
            batches: The features of the training tracks that have this modality, with a leading
                batch axis. They can be iterated over once, and never fit in memory together.
        """

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """Names of the parts of the input that are missing from a track that has the modality.

        `predict` lists them as missing. The default: none.

        Args:
            track: The track.
            features: The result of `extract` for it.
        """
        del track, features
        return ()

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Remarks on these features that `predict` shows, one sentence each.

        For example that they are on another scale than the training data. The default: none.

        Args:
            track: The track.
            features: The result of `extract` for it.
        """
        del track, features
        return ()

    def describe(self, track: Track, features: Features) -> dict[str, float]:
        """Fields of the track that its features measure, by name and in the units of a corpus.

        `deephits predict --descriptors ENCODER` fills a track's unknown fields with them, so that
        a model trained on a table can score a recording alone. Unknown values are left out. The
        default: none.

        Args:
            track: The track.
            features: The result of `extract` for it.
        """
        del track, features
        return {}

    # === Explaining ===

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """How a score is attributed to this track's input: baseline, parts and picture.

        The default: each float feature as a whole, with zeros as the baseline.

        Args:
            track: The track.
            features: The result of `extract` for it.
            branch: The trained branch that `build` made; it maps features by name to the embedding.
        """
        from deephits_keras.encoders.explainable import ExplainableFeatures

        del track
        return ExplainableFeatures.from_zeros(self.feature_specs, features, branch)

    def fields(self) -> Mapping[str, Field]:
        """Named numbers in the features: for each, the feature's name and its index on axis 0.

        Permutation importance permutes each of them between tracks separately. Numbers that only
        have a meaning together get one name and a tuple of places; the index None stands for the
        whole feature: `{"artists": (("vectors", None), ("known", None))}` is a set with its mask.
        The default: none.
        """
        return {}

    # === Ablations and baselines ===

    def ablations(self) -> Mapping[str, Mapping[str, Any]]:
        """Parts of the input that an ablation study removes one at a time (Section 3.3.2).

        The study removes the whole modality as well. The default: no parts.

        Returns:
            For each part, by a name such as `metadata` (lower-case identifier), the settings to
            change so that the encoder doesn't use it; all other settings are kept.
        """
        return {}

    def tabular(self, features: Features) -> Mapping[str, np.ndarray[Any, Any]]:
        """Convert a batch of features to named columns, for the shallow baselines (Table 6).

        The default, no columns, excludes the modality from them.

        Args:
            features: One array `(batch, *spec.shape)` per feature spec; the batch may be empty.

        Returns:
            One float array `(batch,)` per column, NaN where unknown, not scaled. Column names
            depend on the configuration only. A column with a field of the corpus has the field's
            name; an indicator of one of its values is named `field=value`.
        """
        del features
        return {}

    def learned_columns(self, features: Features) -> Mapping[str, np.ndarray[Any, Any]]:
        """Named columns, as of `tabular`, that may depend on what `adapt` learned.

        For shallow recipes, whose encoders are adapted to the training part. Override it for
        columns such as topics, which exist only after `adapt`. The default: those of `tabular`.
        """
        return self.tabular(features)

    @property
    def weights_used(self) -> str:
        """The `published_weights` that this configuration uses, or an empty string."""
        return ""

    @property
    def embedding_size(self) -> int | None:
        """Size of the embedding that `build` returns with this configuration, for lists.

        None, the default, if it is only known after `build`.
        """
        return None

    # === Configuration ===

    def get_config(self) -> dict[str, Any]:
        """The configuration as JSON types."""
        return self.config.to_json()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Create an encoder from the result of `get_config`.

        Raises:
            SettingError: if the configuration isn't one of this encoder's.
        """
        try:
            made = cls.Config.from_json(config)
        except SettingError as error:
            names = (cls.name, cls.modality)
            raise SettingError(error.said, f"The encoder {cls.name}", names) from error
        return cls(made)  # type: ignore[arg-type]

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], settings: Mapping[str, Any]) -> Self:
        """Create an encoder from the configuration in a run or a corpus, which may be untrusted.

        Override it to refuse what only the user may request, such as a download. The default
        refuses nothing.

        Args:
            stored: The stored configuration.
            settings: The user's settings, which override the stored ones.

        Raises:
            UserError: if it isn't one of this encoder's, is refused, or names a missing path.
        """
        encoder = cls.from_config({**stored, **settings})
        if gone := encoder.gone_paths():
            raise UserError("\n".join(gone))
        return encoder

    def gone_paths(self) -> tuple[str, ...]:
        """One message per setting that is a path to a missing file or folder."""
        return tuple(
            f"The setting {name} of the encoder {self.name} names {value}, which isn't there. Say "
            f"where it is now: {self._option(name)} PATH"
            for name in self.config.paths()
            if isinstance(value := getattr(self.config, name), str)
            and not Path(value).expanduser().exists()
        )

    def _option(self, setting: str) -> str:
        """The option that sets a setting, the short one of a main setting."""
        field = type(self.config).__dataclass_fields__[setting]
        words = self.name if field.metadata.get("main") else f"{self.name}-{setting}"
        return f"--{words.replace('_', '-')}"

    def require_extractable(self) -> None:
        """Check that what `extract` needs is on this machine, such as a network's weights.

        Called before an extraction, so that the user is told before anything heavy is imported.
        The default checks nothing.

        Raises:
            UserError: if something is missing; the message says how to get it.
        """

    def made_as(self, record: Mapping[str, Any], fingerprint: str) -> bool:
        """Whether features are made as they were for a training.

        Else predictions have a warning, and `train --from` refuses other paths. Override it for a
        setting that may differ, such as a table that newer songs need anew.

        Args:
            record: The configuration of the training, as of `get_config`.
            fingerprint: Its fingerprint.
        """
        del record
        return self.fingerprint() == fingerprint

    def match_files(self, tracks: Iterable[Track]) -> tuple[str, ...]:
        """Check the files that settings name against the tracks of a corpus.

        Called before a training, so that the user is told before anything is extracted: override
        it for a file beside the songs, such as a table that names their artists. The default
        checks nothing.

        Args:
            tracks: The corpus's tracks, with the declared inputs; read as they are iterated over.

        Returns:
            Notes for the user, one sentence each, such as how much of a file belongs to no track.

        Raises:
            UserError: if a file can't be used, or nothing in it belongs to a track.
        """
        del tracks
        return ()

    def path_content(self, name: str) -> str | None:
        """The value in the fingerprint for the path in the setting `name`: a hash of its content.

        The default hashes the file, or all files in the folder. Override it if only some of them
        matter, or if the setting may be a name instead of a path.

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
        """All settings that the extracted arrays depend on, as JSON types.

        The default: the settings declared with `changes_features=True`, with a hash of the content
        (`path_content`) instead of a path, so that the fingerprint is equal on every machine.
        """
        wanted = {
            f.name for f in dataclasses.fields(self.config) if f.metadata.get("changes_features")
        }
        values = {name: value for name, value in self.get_config().items() if name in wanted}
        return values | {
            name: self.path_content(name) for name in self.config.paths() if name in wanted
        }

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that identify this encoder's feature store."""
        identity = [self.name, self.version, self.fingerprint_config()]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def write_portable(self, folder: Path) -> tuple[str, ...]:
        """Write the files that `extract` needs without Keras, for an exported model.

        Override it if `extract` runs a network of its own. The default: none.

        Args:
            folder: An empty folder.

        Returns:
            Names of the settings whose value is that folder, for an encoder that reads it.
        """
        del folder
        return ()

    def picture(self, features: Features) -> Picture | None:
        """A picture of one track's features, which the page of `deephits serve` shows.

        The default: none.

        Args:
            features: Features that `extract` returned.
        """
        del features
        return None

    def browser_half(self) -> BrowserHalf:
        """JavaScript that extracts the features in a web page (`deephits export --format web`).

        Without one, the modality counts as missing in the page, which shows the reason.

        Raises:
            UserError: with the reason, if there is none; so does the default.
        """
        raise UserError(f"{self.name} extracts its features in Python only")

    # === Samples and checks ===

    @classmethod
    def example_tracks(cls, folder: Path) -> Sequence[Track]:
        """A few different tracks with this modality, for the checks of `testing`.

        Override it if the encoder needs something that the default tracks lack, for example a
        longer recording. The default: short synthesised recordings with lyrics and fields.

        Args:
            folder: An empty folder to write files into.
        """
        from deephits_keras.encoders.example_tracks import sample_tracks

        return sample_tracks(folder)

    @classmethod
    def bad_tracks(cls, folder: Path) -> Sequence[Track]:
        """Tracks with invalid input, for which `extract` must raise an `ExtractionError`.

        For the checks of `testing`, in addition to the damaged files that they always use. The
        default: none.

        Args:
            folder: An empty folder to write files into.
        """
        del folder
        return ()

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """Create the files that this encoder needs to run on a synthetic corpus.

        Called by `deephits sample`. An encoder that needs pretrained weights writes small
        untrained ones into `folder`. The default does nothing.

        Args:
            folder: An empty folder for this encoder inside the sample.
            tracks: The tracks of the sample, with their recordings, lyrics and fields.

        Returns:
            Settings to use with the sample, as JSON types or `Path`s inside `folder`; paths are
            stored relative to the sample, so that it can be moved.
        """
        del folder, tracks
        return {}
