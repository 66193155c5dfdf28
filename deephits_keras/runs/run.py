"""A run: the folder that training writes and that predict, evaluate and explain read.

config.json          everything needed to make the model again and to know where it came from
split.parquet        which row of the corpus was in which part
model.keras          the selected checkpoint
calibration.json     temperature and sets, fitted on the validation part
architecture.json    the parts of the model with their parameters
history.csv          one line an epoch
metrics.json         the metrics of the selected checkpoint
baselines.json       metrics of simple predictors on the reported part
predictions.parquet  its predictions on the held-out parts
report.html          all of it as a page
checksums.json       SHA-256 of all of these but the page, written last: the run is finished
state/               only while training is unfinished: what `--resume` goes on from
members/seed-0/ ...  only of an ensemble, in the place of model.keras: a run for each member
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import UserError
from deephits_keras.model.symbolic import symbolic_model
from deephits_keras.runs.config import CALIBRATION, CHECKSUMS, CONFIG, MODEL, RunConfig
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.files import read_json, sha256, write_json

if TYPE_CHECKING:
    import keras

    from deephits_keras.evaluation.calibration import Calibration
    from deephits_keras.model.fusion import Fusion


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

    try:
        check_archive(path, expected_model(run))
    except UserError as error:
        gone = [line for encoder in run.encoders.values() for line in encoder.gone_paths()]
        raise UserError("\n".join((*gone, str(error)))) from error
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
