"""A run: the folder that training writes and that all later steps read (`runs.files`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.runs.config import RunConfig
from deephits_keras.runs.files import (
    ARCHITECTURE,
    BASELINES,
    CALIBRATION,
    CHECKSUMS,
    CONFIG,
    HISTORY,
    METRICS,
    MODEL,
    PREDICTIONS,
    SPLIT,
    TREES,
)
from deephits_keras.runs.training_config import TRIPLET
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.files import read_json, read_record, sha256, write_json
from deephits_keras.utils.global_state import generators_kept
from deephits_keras.utils.records import from_plain

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from deephits_keras.corpus.splits import Split
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.evaluation.calibration import Calibration
    from deephits_keras.evaluation.metrics import Metrics
    from deephits_keras.model.architecture import Architecture
    from deephits_keras.model.fusion import Fusion

WHAT = "a finished deephits run"

PREDICTION_COLUMNS = (
    "track_id",
    "part",
    "popularity",
    "predicted_popularity",
    "true_tier",
    "tier",
)
"""Columns of `predictions.parquet` for every task."""


class Run:
    """A run folder, open for reading; each file is read on first use.

    Args:
        folder: The folder.
        settings: Encoder settings that override the run's, by encoder or modality; for example
            if the folder of a checkpoint has moved.

    Raises:
        UserError: if the folder isn't a run.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = Path(folder)
        path = self.folder / CONFIG
        self.config = RunConfig.from_json(read_json(path, "a deephits run"), path)
        self.settings = settings or {}

    @property
    def task(self) -> Task:
        """The task it was trained for; a finished run's decodes scores as `calibration.json` says.

        Raises:
            UserError: if that file is damaged.
        """
        return self.calibration.task(self.config.task) if self.finished else self.plain_task

    @property
    def plain_task(self) -> Task:
        """The task with the tier of the largest score, as in training."""
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
            UserError: if one isn't installed in the version that the run used, or there are
                settings of another encoder.
        """
        return self.config.load_encoders(self.settings, self.folder / CONFIG)

    @cached_property
    @generators_kept()
    def model(self) -> keras.Model:
        """The selected checkpoint, loaded in Keras' safe mode, with its temperature.

        Its outputs are those of `model.keras` divided by the temperature of `calibration.json`, so
        that class scores are calibrated wherever they are shown or explained.

        Raises:
            UserError: if training hasn't finished, or a file can't be loaded safely.
        """
        ready = self.folder / (CHECKSUMS if self.config.members else MODEL)
        if not ready.exists():
            raise UserError(
                f"{self.folder} holds no finished model: continue with `deephits train --resume`"
            )
        from deephits_keras.model.builder import with_temperature

        return with_temperature(self.uncalibrated_model(), self.calibration.divisor)

    @property
    def scorer(self) -> Callable[[Mapping[str, Any]], Any]:
        """The model as a function of arrays `(batch, *shape)` by input name."""
        model = self.model
        return lambda inputs: np.asarray(model.predict_on_batch(dict(inputs)))

    @generators_kept()
    def uncalibrated_model(self) -> keras.Model:
        """The checkpoint with its boosted trees, or the average of an ensemble's members.

        Without temperature.

        A member is loaded as the model of the ensemble's configuration, regardless of the
        member's own configuration.

        Raises:
            UserError: if a file can't be loaded safely.
        """
        folders = [self.folder / name for name in self.config.members] or [self.folder]
        models = [self._with_trees(folder) for folder in folders]
        if len(models) == 1:
            return models[0]
        from deephits_keras.model.ensemble import ensemble

        return ensemble(
            models, list(self.encoders), classification=self.task.kind == "classification"
        )

    def _with_trees(self, folder: Path) -> keras.Model:
        """The model of a run's folder, with the boosted trees beside it if it has any."""
        from deephits_keras.model.architecture import Architecture

        model = load_model(folder / MODEL, self, compiled=False)
        # Not the file alone: without it the model would be another one.
        if not read_record(folder / ARCHITECTURE, Architecture, WHAT).trees:
            return model
        from deephits_keras.model.trees import Trees, with_trees

        path = folder / TREES
        values = read_json(path, WHAT)
        try:
            classification = self.plain_task.kind == "classification"
            return with_trees(model, Trees.from_json(values), classification=classification)
        except UserError as error:
            raise UserError(f"{path} is damaged: {error}") from error

    @cached_property
    def calibration(self) -> Calibration:
        """Content of `calibration.json`; without it, a calibration that changes nothing.

        Raises:
            UserError: if it is damaged.
        """
        from deephits_keras.evaluation.calibration import Calibration

        path = self.folder / CALIBRATION
        if not path.exists():
            return Calibration()
        return read_record(path, Calibration, "a run's calibration")

    @cached_property
    def split(self) -> Split:
        """The rows of the corpus in each part.

        Raises:
            UserError: if `split.parquet` isn't a split of the run's corpus.
        """
        from deephits_keras.corpus.splits import Split

        return Split.from_parquet(self.folder / SPLIT, self.config.corpus["tracks"])

    def require_part(self, part: str) -> None:
        """Require that the run's split has a part.

        Raises:
            UserError: if it has none of that name; the message lists those it has.
        """
        if part not in self.split.parts:
            raise UserError(
                f"The run's split has no part {part!r}. Parts: {', '.join(self.split.parts)}"
            )

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Content of `metrics.json`.

        `selected_epoch` (None for an ensemble, which has one per entry of `members`),
        `selected_by`, `parts` with the metrics of each held-out part
        (`evaluation.metrics.evaluate`),
        `groups`: metrics of decades, genres, languages and markets of the reported part, as far as
        the corpus tells them (`evaluation.groups`); lacking in older runs,
        `warnings`: reasons not to rely on the reported part's metrics, one sentence each,
        `missing`: number of tracks without an input, by modality and part, and
        `unseen_columns`: fields without a value in any training track, by modality.

        Raises:
            UserError: if the run isn't finished, or the file is damaged.
        """
        metrics = read_record(self.folder / METRICS, dict[str, Any], WHAT)
        parts = f"{self.folder / METRICS} is damaged: parts"
        from_plain(metrics.get("parts"), dict[str, dict[str, Any]], parts)
        return metrics

    @property
    def unseen_columns(self) -> dict[str, tuple[str, ...]]:
        """Fields without a value in any training track, by modality; empty for older runs.

        Raises:
            UserError: if the run isn't finished, or the file is damaged.
        """
        where = f"{self.folder / METRICS} is damaged: unseen_columns"
        return from_plain(self.metrics.get("unseen_columns", {}), dict[str, tuple[str, ...]], where)

    @property
    def reported_part(self) -> str:
        """The part whose metrics are reported: `test` if the split has one, else `validation`."""
        from deephits_keras.corpus.splits import reported_part

        return reported_part(self.metrics["parts"])

    @cached_property
    def baselines(self) -> dict[str, dict[str, Metrics]]:
        """Metrics of baselines on the reported part, by name; empty without the file.

        Raises:
            UserError: if the file is damaged.
        """
        path = self.folder / BASELINES
        return read_record(path, dict[str, dict[str, Any]], WHAT) if path.exists() else {}

    @cached_property
    def architecture(self) -> Architecture:
        """The parts of the model with their parameters.

        Raises:
            UserError: if the run isn't finished, or the file is damaged.
        """
        from deephits_keras.model.architecture import Architecture

        return read_record(self.folder / ARCHITECTURE, Architecture, WHAT)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch (of each `member` of an ensemble): losses and metrics.

        Raises:
            UserError: if the run isn't finished, or the file is damaged.
        """
        return self._table(HISTORY, ("epoch",))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per held-out track: the truth, the prediction and the class scores.

        Raises:
            UserError: if the run isn't finished, or the file is damaged.
        """
        table = self._table(PREDICTIONS, PREDICTION_COLUMNS)
        if not table[["true_tier", "tier"]].isin(range(self.task.tiers.count)).all(axis=None):
            raise UserError(f"{self.folder / PREDICTIONS} has tiers that the task lacks")
        return table

    def _table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        path = self.folder / name
        try:
            table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
        except FileNotFoundError:
            raise UserError(f"{self.folder} is not {WHAT}: it has no {name}") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path} can't be read: {error}") from error
        if lacking := [column for column in columns if column not in table]:
            raise UserError(f"{path} lacks the columns {', '.join(lacking)}")
        return table

    def require(self, corpus: Corpus | None = None) -> Corpus:
        """The corpus that the run was made for.

        Args:
            corpus: The corpus to check; by default the folder in the run's configuration.

        Raises:
            UserError: if it is missing, or has changed.
        """
        from deephits_keras.corpus.table import Corpus

        corpus = corpus or Corpus.open(Path(self.config.corpus["folder"]))
        if corpus.fingerprint != self.config.corpus["fingerprint"]:
            raise UserError(
                f"{corpus.folder} is not the corpus that {self.folder} was made for, or was "
                "imported again with other tracks: the run's split doesn't apply to it"
            )
        return corpus

    @property
    def synthetic(self) -> bool:
        """Whether the run was trained on a corpus made up by `deephits sample`."""
        return bool(self.config.corpus["synthetic"])

    @property
    def finished(self) -> bool:
        """Whether training is finished and all files are written."""
        return (self.folder / CHECKSUMS).exists()

    def write_config(self) -> None:
        """Write `config.json`."""
        write_json(self.folder / CONFIG, self.config)

    def write_checksums(self) -> None:
        """Write `checksums.json`, the last step, which marks the run as finished."""
        names = [n for n in self.config.recorded if n != TREES or (self.folder / n).exists()]
        checksums = {name: sha256(self.folder / name) for name in names}
        write_json(self.folder / CHECKSUMS, checksums)


def load_model(path: Path, run: Run, *, compiled: bool) -> keras.Model:
    """Load a `.keras` file of a run in safe mode, with the layers of its encoders registered.

    Args:
        path: The file.
        run: The run.
        compiled: Whether to restore optimizer and loss as well, to continue training.

    Raises:
        UserError: if the file can't be loaded, or isn't the model of the run's settings.
    """
    import keras

    from deephits_keras.runs.archives import check_archive

    try:
        check_archive(path, expected_model(run))
    except UserError as error:
        # Without the files that an encoder names, another model is expected.
        gone = [line for encoder in run.encoders.values() for line in encoder.gone_paths()]
        raise UserError("\n".join(gone) or str(error)) from error
    try:
        return keras.saving.load_model(path, compile=compiled, safe_mode=True)
    except Exception as error:
        raise UserError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error


def expected_model(run: Run) -> keras.Model:
    """The model of a run's configuration, without values.

    Building it registers every layer that the encoders and the fusion use.

    Raises:
        UserError: if it can't be built or is too large.
    """
    from deephits_keras.model.side_output import with_embedding
    from deephits_keras.model.symbolic import symbolic_model

    learned = [m for m, record in run.config.modalities.items() if record.learned_missing]
    model = symbolic_model(
        list(run.encoders.values()), fusion=run.fusion, task=run.task, learned_missing=learned
    )
    # A finished model has no side output, and passes as well.
    return with_embedding(model) if run.config.training.loss == TRIPLET else model
