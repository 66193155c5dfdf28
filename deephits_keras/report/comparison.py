"""A run's metrics compared with those of baselines, as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.evaluation.warnings import LEADING
from deephits_keras.report.labels import (
    METRICS,
    REGRESSION_TILES,
    TIER_TILES,
    Label,
    baseline_label,
)
from deephits_keras.runs.run import Run

BASELINE = "majority"
"""The baseline of every run; a useful model must be better."""


TITLES = {"regression": "popularity, 0-100", "ranking": "order of the tracks"}
"""Headings of the groups of metrics that every task has."""


@dataclass(frozen=True)
class Tile:
    """One of a run's main metrics.

    Attributes:
        metric: Name of the metric.
        value: Value of the run.
        baseline: Value of the baseline, or None.
    """

    metric: str
    value: float
    baseline: float | None

    @property
    def label(self) -> Label:
        """Name and format of the metric."""
        return METRICS[self.metric]

    @property
    def worse(self) -> bool:
        """Whether the run is worse than the baseline."""
        return self.baseline is not None and self.label.worse(self.value, self.baseline)


def tiles(run: Run) -> list[Tile]:
    """The run's main metrics, without undefined ones."""
    main = run.task.tiers.name
    wanted = [(main, name) for name in TIER_TILES]
    if run.task.kind == "regression":
        wanted = [("regression", name) for name in REGRESSION_TILES] + wanted[:3]
    own = run.metrics["parts"][run.reported_part]
    other = run.baselines.get(BASELINE, {})
    return [
        Tile(name, own[group][name], other.get(group, {}).get(name))
        for group, name in wanted
        if own.get(group, {}).get(name) is not None
    ]


def worse_than_baseline(run: Run) -> list[Tile]:
    """The main metrics in which the run is worse than the baseline."""
    return [t for t in tiles(run) if t.worse and t.metric in LEADING[run.task.kind]]


@dataclass(frozen=True)
class MetricTable:
    """A group of metrics.

    Attributes:
        title: Heading.
        columns: Names of the columns.
        rows: One row of text per metric with a value.
        undefined: Names of the classification metrics without a value.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    undefined: Sequence[str]


def metric_tables(run: Run) -> list[MetricTable]:
    """Every metric of the run and its baselines, by group."""
    kind = run.task.kind
    columns = {f"model, {part}": of for part, of in run.metrics["parts"].items()}
    for name, of in run.baselines.items():
        columns[f"{baseline_label(name, kind)[0]}, {run.reported_part}"] = of
    groups = dict.fromkeys(group for of in columns.values() for group in of)
    tables = [_metric_table(group, columns, run) for group in groups]
    return [table for table in tables if table.rows]


def _metric_table(
    group: str, columns: Mapping[str, Mapping[str, Metrics]], run: Run
) -> MetricTable:
    values = {name: of.get(group, {}) for name, of in columns.items()}
    values = {name: of for name, of in values.items() if any(v is not None for v in of.values())}
    rows, undefined = [], []
    for name, label in METRICS.items():
        found: list[Any] = [of.get(name) for of in values.values()]
        if any(value is not None for value in found):
            rows.append((label.name, *(label.show(v) or "n/a" for v in found), label.meaning))
        elif run.task.kind == "classification" and any(name in of for of in values.values()):
            undefined.append(label.name)
    return MetricTable(_group_title(group, run), ("metric", *values, "meaning"), rows, undefined)


def _group_title(group: str, run: Run) -> str:
    if group in TITLES:
        return TITLES[group]
    if group != "conformal":
        return group
    sets = "intervals of popularity" if run.task.kind == "regression" else "sets of tiers"
    return f"{sets}, stated coverage {100 * run.calibration.coverage:g}%"
