"""A run's configuration."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, Self, TypedDict

from deephits_keras.encoders.inputs import may_read
from deephits_keras.encoders.registry import AnyEncoder, Registry, registry
from deephits_keras.errors import SettingError, UserError
from deephits_keras.runs.files import CHECKSUMS, CONFIG, MODEL, RECORDED, TREES, member_name
from deephits_keras.runs.start import Start
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.utils.records import from_plain
from deephits_keras.version import __version__

FORMAT = 1


class CorpusFacts(TypedDict):
    """Entries about the corpus; there may be others."""

    folder: str
    fingerprint: str
    synthetic: bool
    tracks: int
    words: NotRequired[dict[str, list[str]]]


@dataclass(frozen=True)
class EncoderRecord:
    """The encoder that a run uses for a modality, and its origin.

    Attributes:
        encoder: Name of the encoder.
        version: Version of the encoder.
        distribution: The distribution that provided it.
        distribution_version: That distribution's version.
        config: Its settings.
        fingerprint: Name of its feature store.
        learned_missing: Whether the model has a learned embedding for missing inputs.
        source: URL that the distribution was installed from; empty for a package index.
        weights: Pretrained weights that it used, with their licence; empty for none.
    """

    encoder: str
    version: str
    distribution: str
    distribution_version: str
    config: dict[str, Any]
    fingerprint: str
    learned_missing: bool
    source: str = ""
    weights: str = ""

    @classmethod
    def from_encoder(cls, encoder: AnyEncoder, *, learned_missing: bool) -> Self:
        """The record of a configured encoder."""
        known = {r.name: r for r in registry().registrations}
        origin = known.get(encoder.name)
        return cls(
            encoder=encoder.name,
            version=encoder.version,
            distribution=origin.distribution if origin else "",
            distribution_version=origin.distribution_version if origin else "",
            config=encoder.get_config(),
            fingerprint=encoder.fingerprint(),
            learned_missing=learned_missing,
            source=origin.source if origin else "",
            weights=encoder.weights_used,
        )

    def load(self, settings: Mapping[str, Any], known: Registry) -> AnyEncoder:
        """The encoder of the run, with `settings` instead of the run's.

        Raises:
            UserError: if it isn't installed; the message says which distribution has it.
        """
        if self.encoder not in {r.name for r in known.registrations}:
            raise UserError(
                f"This run needs the encoder {self.encoder!r} of {self.distribution} "
                f"{self.distribution_version}, which isn't installed here. {self._how_to_get}"
            )
        encoder_class = known.load(self.encoder)
        if encoder_class.version != self.version:
            raise UserError(
                f"This run used version {self.version} of the encoder {self.encoder!r}; installed "
                f"is version {encoder_class.version}, which extracts other features. "
                f"{self._how_to_get}"
            )
        return encoder_class.from_stored(self.config, settings)

    @property
    def _how_to_get(self) -> str:
        where = f" (the run's own came from {self.source})" if self.source else ""
        return f"Install it: pip install {self.distribution}=={self.distribution_version}{where}"


@dataclass(frozen=True)
class RunConfig:
    """Content of `config.json`.

    Attributes:
        task: Name of the task.
        fusion: Name and settings of the fusion.
        modalities: Record of each modality's encoder.
        training: Settings of the training.
        split: Kind, seed and sizes of the split.
        corpus: Folder, fingerprint and number of tracks, whether it is synthetic, how its source
            was read, and the words of categories that its training tracks have.
        command: The command line that made the run, or empty.
        recipe: The recipe and the settings that override it; empty for a run without a recipe.
        created_with: Versions of this package, Keras and the backend.
        created: Start time, `2026-11-28T08:30:00Z`; empty in runs of earlier versions.
        training_seconds: Duration of all epochs in seconds; 0 until the run is finished.
        start: The run that the training started from; None for random weights.
        format: Version of this layout.
    """

    task: str
    fusion: dict[str, Any]
    modalities: dict[str, EncoderRecord]
    training: TrainingConfig
    split: dict[str, Any]
    corpus: dict[str, Any]
    command: str = ""
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    created_with: dict[str, str] = dataclasses.field(default_factory=lambda: versions())
    created: str = ""
    training_seconds: float = 0.0
    start: Start | None = None
    format: int = FORMAT

    @property
    def members(self) -> dict[str, int]:
        """Seed of each member of an ensemble, by its subfolder; empty for no ensemble."""
        training = self.training
        if training.ensemble == 1:
            return {}
        seeds = range(training.seed, training.seed + training.ensemble)
        return {member_name(seed): seed for seed in seeds}

    @property
    def recorded(self) -> tuple[str, ...]:
        """Files of the finished run with checksums; members have their own."""
        members = tuple(f"{name}/{CHECKSUMS}" for name in self.members)
        return tuple(n for n in RECORDED if not members or n not in (MODEL, TREES)) + members

    def load_encoders(
        self, settings: Mapping[str, Mapping[str, Any]], where: str | Path = CONFIG
    ) -> dict[str, AnyEncoder]:
        """The encoders, by modality.

        Args:
            settings: Encoder settings that override the recorded ones, by encoder or modality.
            where: Where the configuration stands, for messages.

        Raises:
            UserError: if one isn't installed in the version that was used or serves another
                modality, or there are settings of another encoder.
        """
        known = {name for m, record in self.modalities.items() for name in (m, record.encoder)}
        if unknown := sorted(set(settings) - known):
            raise UserError(f"This run has no {', '.join(unknown)} whose settings could be changed")
        encoders = {}
        for modality, record in self.modalities.items():
            own = {**settings.get(modality, {}), **settings.get(record.encoder, {})}
            try:
                encoders[modality] = record.load(own, registry())
            except SettingError as error:
                if error.setting in own:
                    raise
                place = f"modalities.{modality}.config"
                raise UserError(f"{where} is damaged: {place}: {error.said}") from error
        for modality, encoder in encoders.items():
            if encoder.modality != modality:
                raise UserError(
                    f"The configuration is damaged: {encoder.name} does not serve the modality "
                    f"{modality!r}"
                )
        return encoders

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str | Path = CONFIG) -> Self:
        """The configuration from its fields as JSON gives them.

        Args:
            values: What JSON gave.
            where: Where it stands, for messages.

        Raises:
            UserError: if something is missing or has a newer format.
        """
        # By hand: a newer format is told before its fields, and `corpus` may have other entries.
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise UserError(
                f"{where} is not a run's configuration of format {FORMAT}: "
                "it was written by another version of deephits-keras, or damaged"
            )
        config = from_plain(values, cls, f"{where} is damaged")
        from_plain(config.corpus, CorpusFacts, f"{where} is damaged: corpus", closed=False)
        return config

    def reading(self, encoders: Iterable[AnyEncoder]) -> dict[str, Any]:
        """How the table that the model was trained on was read (`Corpus.reading`).

        Languages are detected only for an encoder that reads them.

        Args:
            encoders: The encoders that read the tracks.

        Raises:
            UserError: if the configuration is damaged.
        """
        # They import pandas, which a user's mistake needn't wait for.
        from deephits_keras.corpus.languages import LANGUAGE
        from deephits_keras.corpus.table import Reading

        reading: dict[str, Any] = self.corpus.get("reading", {})
        from_plain(reading, Reading, "the model's configuration is damaged: corpus.reading")
        if reading.get("lyrics", {}).get("detect_language"):
            wanted = any(may_read(encoder, (LANGUAGE,)) for encoder in encoders)
            reading = {**reading, "lyrics": {**reading["lyrics"], "detect_language": wanted}}
        return reading

    @property
    def words(self) -> dict[str, list[str]]:
        """Words that the training tracks have (`features.words`); empty for older runs."""
        words: dict[str, list[str]] = self.corpus.get("words", {})
        return words


def versions() -> dict[str, str]:
    """Versions of the packages that determine a run's metrics."""
    import keras

    backend = keras.backend.backend()
    try:
        backend_version = importlib.metadata.version(backend)
    except importlib.metadata.PackageNotFoundError:
        backend_version = "unknown"
    return {
        "deephits-keras": __version__,
        "keras": keras.__version__,
        "backend": f"{backend} {backend_version}",
    }
