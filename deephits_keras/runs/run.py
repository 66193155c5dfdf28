"""A run: the folder that training writes and that predict, evaluate and explain read.

config.json          everything needed to make the model again and to know where it came from
split.parquet        which row of the corpus was in which part
model.keras          the selected checkpoint
calibration.json     temperature and sets, fitted on the validation part
architecture.json    the parts of the model with their parameters
history.csv          one line an epoch
metrics.json         the figures of the selected checkpoint
baselines.json       figures of simple predictors on the reported part
predictions.parquet  its predictions on the held-out parts
report.html          all of it as a page
checksums.json       SHA-256 of all of these but the page, written last: the run is finished
state/               only while training is unfinished: what `--resume` goes on from
members/seed-0/ ...  only of an ensemble, in the place of model.keras: a run for each member
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from deephits_keras import __version__
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.utils.files import read_json, sha256, write_json
from deephits_keras.encoders.registry import AnyEncoder, Registry, registry
from deephits_keras.tasks import Task, get_task
from deephits_keras.runs.training_config import TrainingConfig

if TYPE_CHECKING:
    import keras

    from deephits_keras.evaluation.calibration import Calibration
    from deephits_keras.model.fusion import Fusion

FORMAT = 1
MODEL = "model.keras"
CONFIG = "config.json"
CALIBRATION = "calibration.json"
CHECKSUMS = "checksums.json"
RECORDED = (
    CONFIG,
    "split.parquet",
    MODEL,
    "architecture.json",
    "history.csv",
    "metrics.json",
    "baselines.json",
    "predictions.parquet",
    CALIBRATION,
)
"""Files of a finished run whose checksums are kept. The page can be made from them at any time."""

LATER = (CALIBRATION,)
"""Those that runs of earlier versions lack."""

CORPUS_FACTS = {"folder": str, "fingerprint": str, "synthetic": bool, "tracks": int}
"""What a run keeps of its corpus."""

LARGEST_MODEL = 2**30
"""Parameters; the paper's model has 476,938."""

LARGEST_FEATURE = 2**28
"""Values of one feature of one track; the paper's spectrogram has 165,376."""


@dataclass(frozen=True)
class EncoderRecord:
    """Which encoder a run used for a modality, and where it came from.

    Attributes:
        encoder: Its name.
        version: Its version.
        distribution: The distribution that provided it.
        distribution_version: That distribution's version.
        config: Its settings.
        fingerprint: The name of its feature store.
        learned_missing: Whether the model has a learned embedding for its absence.
        source: The URL that the distribution was installed from, or empty for a registry's.
    """

    encoder: str
    version: str
    distribution: str
    distribution_version: str
    config: dict[str, Any]
    fingerprint: str
    learned_missing: bool
    source: str = ""

    @classmethod
    def of(cls, encoder: AnyEncoder, *, learned_missing: bool) -> Self:
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
        )

    def load(self, settings: Mapping[str, Any], known: Registry) -> AnyEncoder:
        """The encoder as the run used it, with `settings` in the place of the run's own.

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
    """Everything that `config.json` holds.

    Attributes:
        task: Name of the task.
        fusion: Name and settings of the fusion.
        modalities: Record of each modality's encoder.
        training: How it was trained.
        split: Kind, seed and sizes of the split.
        corpus: Folder, fingerprint, number of tracks, and whether it is synthetic.
        command: The command line that made the run, or empty.
        created_with: Versions of this package, Keras and the backend.
        format: Version of this layout.
    """

    task: str
    fusion: dict[str, Any]
    modalities: dict[str, EncoderRecord]
    training: TrainingConfig
    split: dict[str, Any]
    corpus: dict[str, Any]
    command: str = ""
    created_with: dict[str, str] = dataclasses.field(default_factory=lambda: versions())
    format: int = FORMAT

    @property
    def members(self) -> dict[str, int]:
        """Seed of each member of an ensemble by its folder in the run's; empty for no ensemble."""
        training = self.training
        if training.ensemble == 1:
            return {}
        seeds = range(training.seed, training.seed + training.ensemble)
        return {f"members/seed-{seed}": seed for seed in seeds}

    @property
    def recorded(self) -> tuple[str, ...]:
        """Files of the finished run whose checksums are kept; the members keep their own."""
        members = tuple(f"{name}/{CHECKSUMS}" for name in self.members)
        return tuple(n for n in RECORDED if not members or n != MODEL) + members

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON types."""
        return {**dataclasses.asdict(self), "training": self.training.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration from `to_json`'s result.

        Raises:
            UserError: if something is missing or was written by a newer version.
        """
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise UserError(
                f"{CONFIG} is not a run's configuration of format {FORMAT}: "
                "it was written by another version of deephits-keras, or damaged"
            )
        try:
            records = {m: EncoderRecord(**r) for m, r in values["modalities"].items()}
            training = TrainingConfig.from_json(values["training"])
            config = cls(**{**values, "modalities": records, "training": training})
            _check_types(config)
            for record in records.values():
                _check_types(record)
            for name, kind in CORPUS_FACTS.items():
                _check_type(f"corpus.{name}", config.corpus[name], kind)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{CONFIG} is damaged: {error}") from error
        return config


def _check_types(record: Any) -> None:
    """Check the fields of a dataclass that came from JSON, as far as JSON tells types apart."""
    for name, hint in typing.get_type_hints(type(record)).items():
        _check_type(name, getattr(record, name), typing.get_origin(hint) or hint)


def _check_type(name: str, value: Any, kind: type) -> None:
    if type(value) is not kind:
        raise TypeError(f"{name} must be {kind.__name__}. Received: {value!r:.80}")


def versions() -> dict[str, str]:
    """Versions of what decides a run's figures."""
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


class Run:
    """A run folder, open for reading.

    Args:
        folder: The folder.
        settings: Encoders' settings to use in the place of the run's, by encoder or modality; for
            example where a checkpoint's folder has moved.

    Raises:
        UserError: if the folder isn't a run.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self.folder = folder
        self.config = RunConfig.from_json(read_json(folder / CONFIG, "a deephits run"))
        self.settings = settings or {}

    @property
    def task(self) -> Task:
        """The task it was trained for."""
        return get_task(self.config.task)

    @property
    def fusion(self) -> Fusion:
        """The fusion it was built with."""
        from deephits_keras.model.fusion import get_fusion

        return get_fusion(self.config.fusion)

    @cached_property
    def encoders(self) -> dict[str, AnyEncoder]:
        """The run's encoders, by modality.

        Raises:
            UserError: if one isn't installed in the version that the run used.
        """
        unknown = set(self.settings) - {
            name for m, r in self.config.modalities.items() for name in (m, r.encoder)
        }
        if unknown:
            raise UserError(f"This run has no {', '.join(sorted(unknown))} to set anything of")
        encoders = {
            modality: record.load(
                {**self.settings.get(modality, {}), **self.settings.get(record.encoder, {})},
                registry(),
            )
            for modality, record in self.config.modalities.items()
        }
        for modality, encoder in encoders.items():
            if encoder.modality != modality:
                raise UserError(
                    f"{CONFIG} is damaged: {encoder.name} does not serve the modality {modality!r}"
                )
        return encoders

    @cached_property
    def model(self) -> keras.Model:
        """The selected checkpoint, loaded in Keras' safe mode, with its temperature.

        Its outputs are those of `model.keras` over the temperature of `calibration.json`: whoever
        shows or explains class scores shows calibrated ones.

        Raises:
            UserError: if training hasn't finished, or a file can't be loaded safely.
        """
        ready = self.folder / (CHECKSUMS if self.config.members else MODEL)
        if not ready.exists():
            raise UserError(
                f"{self.folder} holds no finished model: go on with `deephits train --resume`"
            )
        from deephits_keras.model.builder import with_temperature

        return with_temperature(self.uncalibrated_model(), self.calibration.divisor)

    def uncalibrated_model(self) -> keras.Model:
        """The checkpoint, or the average of an ensemble's members', as training left them.

        A member is loaded as the model that the ensemble's own configuration describes, whatever
        the member's folder says of itself.

        Raises:
            UserError: if a file can't be loaded safely.
        """
        folders = [self.folder / name for name in self.config.members] or [self.folder]
        models = [load_model(folder / MODEL, self, compiled=False) for folder in folders]
        if len(models) == 1:
            return models[0]
        from deephits_keras.model.ensemble import ensemble

        return ensemble(
            models, list(self.encoders), classification=self.task.kind == "classification"
        )

    @cached_property
    def calibration(self) -> Calibration:
        """What `calibration.json` holds; one that changes nothing if there is none.

        Raises:
            UserError: if it is damaged.
        """
        from deephits_keras.evaluation.calibration import Calibration

        path = self.folder / CALIBRATION
        if not path.exists():
            return Calibration()
        return Calibration.from_json(read_json(path, "a run's calibration"))

    @property
    def synthetic(self) -> bool:
        """Whether the run was trained on a corpus made up by `deephits sample`."""
        return bool(self.config.corpus["synthetic"])

    @property
    def finished(self) -> bool:
        """Whether training has ended and everything is written."""
        return (self.folder / CHECKSUMS).exists()

    def write_config(self) -> None:
        """Write `config.json`."""
        write_json(self.folder / CONFIG, self.config.to_json())

    def write_checksums(self) -> None:
        """Write `checksums.json`: the last step, which says that the run is finished."""
        checksums = {name: sha256(self.folder / name) for name in self.config.recorded}
        write_json(self.folder / CHECKSUMS, checksums)


def load_model(path: Path, run: Run, *, compiled: bool) -> keras.Model:
    """Load a `.keras` file of a run in safe mode, with the run's encoders' layers registered.

    Args:
        path: The file.
        run: The run.
        compiled: Whether to restore optimizer and loss as well, to go on with training.

    Raises:
        UserError: if the file can't be loaded, or isn't the model that the run's settings say.
    """
    import keras

    from deephits_keras.runs.archives import check_archive

    check_archive(path, expected_model(run))
    try:
        return keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except Exception as error:
        raise UserError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error


def expected_model(run: Run) -> keras.Model:
    """The model that a run's configuration describes, without values.

    Making it registers every layer that the encoders and the fusion use.

    Raises:
        UserError: if there is no such model, or its inputs are too large to be meant.
    """
    learned = [m for m, record in run.config.modalities.items() if record.learned_missing]
    return symbolic_model(
        list(run.encoders.values()), fusion=run.fusion, task=run.task, learned_missing=learned
    )


def symbolic_model(
    encoders: Sequence[AnyEncoder],
    *,
    fusion: Fusion,
    task: Task,
    learned_missing: Sequence[str] = (),
) -> keras.Model:
    """What `build_model` would make, without values: it takes no memory, whatever its size.

    Raises:
        UserError: if it can't be built, or is too large to be meant.
    """
    from deephits_keras.runs.archives import symbolically
    from deephits_keras.model.builder import build_model

    for encoder in encoders:
        for spec in encoder.feature_specs:
            if math.prod(spec.shape) > LARGEST_FEATURE:
                raise UserError(
                    f"The settings of {encoder.name} ask for features of shape {spec.shape}: "
                    "a track of that size can't be meant"
                )
    try:
        model: keras.Model = symbolically(
            lambda: build_model(encoders, fusion=fusion, task=task, learned_missing=learned_missing)
        )
    except DeepHitsError:
        raise
    except Exception as error:
        raise UserError(
            f"The model of these settings can't be built: {type(error).__name__}: {error}"
        ) from error
    size = sum(math.prod(v.shape) for v in model.variables)
    if size > LARGEST_MODEL:
        raise UserError(f"A model of {size:,} parameters can't be meant: look at its settings")
    return model
