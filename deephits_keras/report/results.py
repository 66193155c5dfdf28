"""What a finished run left in its folder, read for its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from deephits_keras.corpus.splits import reported_part
from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.model.architecture import Architecture
from deephits_keras.runs.config import CONFIG, RunConfig
from deephits_keras.runs.run import Run
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.files import read_json

WHAT = "a finished deephits run"
PREDICTION_COLUMNS = (
    "track_id",
    "part",
    "popularity",
    "predicted_popularity",
    "true_tier",
    "tier",
)


@dataclass(frozen=True)
class Results:
    """What a finished run left in its folder (`deephits_keras.runs.run`).

    Attributes:
        config: `config.json`.
        metrics: `metrics.json`: `selected_epoch` (of each member, for an ensemble), `parts` with
            the metrics of each held-out part, and optionally `missing` (tracks without the input,
            by modality and part) and a `note`.
        history: `history.csv`, a row per epoch (of each `member`).
        predictions: `predictions.parquet`, a row per held-out track.
        architecture: `architecture.json`.
        baselines: Metrics of baselines on the main part, by name: `baselines.json`, if there.
        calibration: `calibration.json`; one that changes nothing if there is none.
        explanations: Title of each page of explanations by its path from the run's folder.
    """

    config: RunConfig
    metrics: Mapping[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    architecture: Architecture
    baselines: Mapping[str, Mapping[str, Metrics]]
    calibration: Calibration
    explanations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run folder.

        Raises:
            UserError: if it isn't a finished run, or is damaged.
        """
        baselines = folder / "baselines.json"
        results = cls(
            config=RunConfig.from_json(read_json(folder / CONFIG, WHAT)),
            metrics=read_json(folder / "metrics.json", WHAT),
            architecture=Architecture.from_json(read_json(folder / "architecture.json", WHAT)),
            history=_read_table(folder / "history.csv", ("epoch",)),
            predictions=_read_table(folder / "predictions.parquet", PREDICTION_COLUMNS),
            baselines=read_json(baselines, WHAT) if baselines.exists() else {},
            calibration=Run(folder).calibration,
            explanations=_explanations(folder / "explain"),
        )
        tiers = results.predictions[["true_tier", "tier"]].to_numpy()
        if not np.isin(tiers, range(results.task.tiers.count)).all():
            raise UserError(f"{folder / 'predictions.parquet'} has tiers that the task lacks")
        return results

    @property
    def task(self) -> Task:
        """What the run predicts."""
        return get_task(self.config.task)

    @property
    def main_part(self) -> str:
        """The part whose metrics count: `test` if the split has one."""
        return reported_part(self.metrics["parts"])


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not {WHAT}: it has no {path.name}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}") from error
    if lacking := [name for name in columns if name not in table]:
        raise UserError(f"{path} lacks the columns {', '.join(lacking)}")
    return table


def _explanations(folder: Path) -> dict[str, str]:
    """The pages that `deephits explain` wrote, those of the whole run first."""
    pages = sorted(folder.glob("*.html"), key=lambda page: (page.stem != "importance", page.stem))
    return {
        f"{folder.name}/{page.name}": "What the model uses"
        if page.stem == "importance"
        else page.stem.removeprefix("track-")
        for page in pages
    }
