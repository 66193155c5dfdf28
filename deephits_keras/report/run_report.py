"""A finished run as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from deephits_keras.corpus.splits import reported_part
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.model.architecture import Architecture, LayerRow
from deephits_keras.report import plots
from deephits_keras.report.architecture_drawing import draw_architecture
from deephits_keras.report.pages import data_uri, render_page
from deephits_keras.runs.config import CONFIG, RunConfig
from deephits_keras.runs.run import Run
from deephits_keras.tasks import Task, get_task
from deephits_keras.utils.files import read_json, write_text

WHAT = "a finished deephits run"
PREDICTION_COLUMNS = ("part", "popularity", "predicted_popularity", "true_tier", "tier")

FIGURES = {
    "macro_f1": ("Macro-F1", "{:z.1%}", "mean of the tiers' F1, each tier counting the same"),
    "accuracy": ("Accuracy", "{:z.1%}", "tracks put into their own tier"),
    "within_one_tier": ("Within ±1 tier", "{:z.1%}", "tracks at most one tier off"),
    "tier_mae": ("Tier MAE", "{:z.2f}", "mean distance in tiers; lower is better"),
    "roc_auc": ("ROC-AUC", "{:z.3f}", "one tier against the rest; 0.5 is chance"),
    "pr_auc": ("PR-AUC", "{:z.3f}", "average precision, one tier against the rest"),
    "log_loss": ("Log loss", "{:z.3f}", "mean of -log of the true tier's score; lower is better"),
    "ece": ("ECE", "{:z.1%}", "expected calibration error, 15 bins; lower is better"),
    "macro_precision": ("Macro-precision", "{:z.1%}", "mean of the tiers' precision"),
    "macro_recall": ("Macro-recall", "{:z.1%}", "mean of the tiers' recall"),
    "mae": ("MAE", "{:z.2f}", "mean error in points of 0-100; lower is better"),
    "mse": ("MSE", "{:z.1f}", "mean squared error in points²; lower is better"),
    "r2": ("R²", "{:z.3f}", "share of the variance explained; 0 is the mean's"),
    "mae_unit": ("MAE, 0-1 scale", "{:z.4f}", "the same as MAE, as HitMusicNet reports it"),
    "coverage": ("Coverage", "{:z.1%}", "tracks whose set holds the truth"),
    "set_size": ("Set size", "{:z.2f}", "mean number of tiers in a set; lower is better"),
    "interval_width": ("Interval width", "{:z.1f}", "mean width in points; lower is better"),
}
"""Label, format (`z`: no negative zero) and meaning of each figure, in the table's order."""

TIER_TILES = ("macro_f1", "accuracy", "within_one_tier", "tier_mae", "roc_auc", "pr_auc")
REGRESSION_TILES = ("mae", "mse", "r2")


@dataclass(frozen=True)
class Results:
    """What a finished run left in its folder (`deephits_keras.runs.run`).

    Attributes:
        config: `config.json`.
        metrics: `metrics.json`: `selected_epoch` (of each member, for an ensemble), `parts` with
            the figures of each held-out part, and optionally `missing` (tracks without the input,
            by modality and part) and a `note`.
        history: `history.csv`, a row an epoch (of each `member`).
        predictions: `predictions.parquet`, a row a held-out track.
        architecture: `architecture.json`.
        baselines: Figures of baselines on the main part, by name: `baselines.json`, if there.
        calibration: `calibration.json`; one that changes nothing if there is none.
    """

    config: RunConfig
    metrics: Mapping[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    architecture: Architecture
    baselines: Mapping[str, Mapping[str, Metrics]]
    calibration: Calibration

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
        """The part whose figures count: `test` if the split has one."""
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


def write_report(folder: Path) -> Path:
    """Write `report.html` into a finished run's folder, and into those of its members.

    Args:
        folder: The run.

    Returns:
        The page's path.

    Raises:
        UserError: if the folder isn't a finished run, or can't be written to.
    """
    page = folder / "report.html"
    try:
        results = Results.read(folder)
        html = render_report(results)
    except DeepHitsError:
        raise
    except Exception as error:
        raise UserError(
            f"{folder} holds figures that no report can be made of: "
            f"{type(error).__name__}: {error}. `deephits verify {folder}` says what is damaged"
        ) from error
    for member in results.config.members:
        write_report(folder / member)
    write_text(page, html)
    return page


def render_report(results: Results) -> str:
    """The page as HTML: no scripts, nothing loaded from elsewhere, the same for the same run."""
    return render_page(
        __package__,
        "report.html.jinja",
        filters={"figure": _figure_text, "setting": _setting_text},
        config=results.config,
        task=results.task,
        metrics=results.metrics,
        main_part=results.main_part,
        architecture=results.architecture,
        calibration=results.calibration,
        tiles=list(_tiles(results)),
        columns=_columns(results),
        figure_tables=list(_figure_tables(results)),
        layer_tables=_layer_tables(results.architecture),
        pictures={name: data_uri(f) for name, f in _pictures(results).items()},
    )


def _pictures(results: Results) -> dict[str, Figure]:
    tiers = results.task.tiers
    tracks = results.predictions[results.predictions["part"] == results.main_part]
    of_tiers = (tracks["true_tier"].to_numpy(), tracks["tier"].to_numpy(), tiers)
    values = tracks["popularity"].to_numpy(), tracks["predicted_popularity"].to_numpy()
    pictures = {
        "learning": plots.learning_curves(results.history, results.metrics["selected_epoch"]),
        "confusion": plots.confusion_matrix(*of_tiers),
        "recall": plots.tier_recall(*of_tiers),
        "distribution": plots.tier_distribution(*of_tiers),
        "popularity": plots.predicted_against_true(*values),
        "architecture": draw_architecture(results.architecture),
    }
    scores = tracks.filter(regex=r"^score_\d+$").to_numpy()
    if scores.size:
        pictures["reliability"] = plots.reliability_diagram(of_tiers[0], scores)
    return pictures


def _columns(results: Results) -> dict[str, Mapping[str, Metrics]]:
    """What the table of figures compares: the model on each part, then the baselines."""
    model = {f"model, {part}": figures for part, figures in results.metrics["parts"].items()}
    return model | {f"{name}, {results.main_part}": f for name, f in results.baselines.items()}


def _tiles(results: Results) -> Iterator[dict[str, Any]]:
    figures = results.metrics["parts"][results.main_part]
    main = results.task.tiers.name
    wanted = [(main, name) for name in TIER_TILES]
    if results.task.kind == "regression":
        wanted = [("regression", name) for name in REGRESSION_TILES] + wanted[:3]
    for group, name in wanted:
        value = figures.get(group, {}).get(name)
        majority = results.baselines.get("majority", {}).get(group, {}).get(name)
        yield {"name": name, "value": value, "majority": majority, "labels": FIGURES[name]}


def _figure_tables(results: Results) -> Iterator[tuple[str, list[Any]]]:
    """For each group of figures its title and rows of a figure's labels and its values."""
    columns = _columns(results)
    groups = dict.fromkeys(group for figures in columns.values() for group in figures)
    for group in groups:
        rows = []
        for name, labels in FIGURES.items():
            values = [figures.get(group, {}).get(name) for figures in columns.values()]
            if any(value is not None for value in values):
                rows.append((labels, [_figure_text(value, name) for value in values]))
        yield _group_title(group, results), rows


def _group_title(group: str, results: Results) -> str:
    if group == "regression":
        return "popularity, 0-100"
    if group != "conformal":
        return group
    sets = "intervals of popularity" if results.task.kind == "regression" else "sets of tiers"
    return f"{sets}, stated coverage {100 * results.calibration.coverage:g} %"


def _layer_tables(architecture: Architecture) -> dict[str, tuple[LayerRow, ...]]:
    branches = {f"{b.modality}: {b.encoder}": b.layers for b in architecture.branches}
    parts = (architecture.fusion_part, architecture.output)
    return branches | {part.name: part.layers for part in parts}


def _figure_text(value: float | None, name: str) -> str:
    return "n/a" if value is None else FIGURES[name][1].format(value)


def _setting_text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
