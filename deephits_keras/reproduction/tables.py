"""A table of results: measured and published values."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

PUBLISHED = "published"
MEASURED = "measured"
DIFFERENCE = "difference"


@cache
def published() -> dict[str, Any]:
    """The results of the paper and of HitMusicNet, with their sources (`published.json`)."""
    source = importlib.resources.files("deephits_keras.reproduction").joinpath("published.json")
    found: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Value:
    """A value of a table.

    Attributes:
        value: The value, or its mean over seeds.
        spread: Standard deviation over seeds (of a sample); None for a single seed.
        low: Lower end of an interval, or None.
        high: Upper end of an interval, or None.
    """

    value: float
    spread: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """A column of values.

    Attributes:
        name: Heading with the unit.
        format: Format string of its values.
    """

    name: str
    format: str = "{:.2f}"

    def show(self, value: Value | None) -> str:
        """The value as text, with its spread or interval; a dash for no value."""
        if value is None:
            return "-"
        text = self.format.format(value.value)
        if value.spread is not None:
            text += f" ± {self.format.format(value.spread)}"
        if value.low is not None and value.high is not None:
            text += f" [{self.format.format(value.low)}, {self.format.format(value.high)}]"
        return text


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        name: Name of the line; lines with one name are compared with each other.
        source: Source of the values: a protocol, `measured`, `published` or `difference`.
        values: One value per column, or None.
        seeds: Number of seeds of the mean; 0 if not applicable.
    """

    name: str
    source: str
    values: tuple[Value | None, ...]
    seeds: int = 0


@dataclass(frozen=True)
class Table:
    """A table of results.

    Attributes:
        number: Number in the paper, or another short name.
        title: Title.
        columns: Columns of values.
        lines: Lines of the table.
        notes: Notes that readers need for the comparison.
    """

    number: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """Number and title."""
        return f"Table {self.number}. {self.title}" if self.numbered else self.title

    @property
    def numbered(self) -> bool:
        """Whether the paper has this table."""
        return self.number.lstrip("A").isdecimal()

    def shown(self) -> list[tuple[str, str, list[str]]]:
        """Name, source and values of each line as text, without empty lines."""
        return [
            (
                line.name,
                f"{line.source}, {line.seeds} seed{'s' * (line.seeds > 1)}"
                if line.seeds
                else line.source,
                [c.show(v) for c, v in zip(self.columns, line.values, strict=True)],
            )
            for line in self.lines
            if any(value is not None for value in line.values)
        ]

    def records(self) -> list[dict[str, Any]]:
        """One record per value, for CSV and JSON."""
        return [
            {
                "table": self.number,
                "row": line.name,
                "source": line.source,
                "seeds": line.seeds or None,
                "column": column.name,
                "value": value.value,
                "spread": value.spread,
                "low": value.low,
                "high": value.high,
            }
            for line in self.lines
            for column, value in zip(self.columns, line.values, strict=True)
            if value is not None
        ]


METRICS = {
    "macro_precision": Column("macro-precision %"),
    "macro_recall": Column("macro-recall %"),
    "macro_f1": Column("macro-F1 %"),
    "accuracy": Column("accuracy %"),
    "within_one_tier": Column("within ±1 tier %"),
    "tier_mae": Column("tier MAE", "{:.3f}"),
    "roc_auc": Column("ROC-AUC %"),
    "pr_auc": Column("PR-AUC %"),
    "mae_unit": Column("MAE, 0-1 scale", "{:.4f}"),
    "log_loss": Column("log loss", "{:.3f}"),
    "ece": Column("ECE %"),
    "coverage": Column("covered %"),
    "set_size": Column("tiers in a set"),
}
NOT_PERCENT = ("tier_mae", "mae_unit", "log_loss", "set_size")


def metric_columns(names: Iterable[str]) -> tuple[Column, ...]:
    """The columns of some metrics."""
    return tuple(METRICS[name] for name in names)


def summary(
    name: str, source: str, seeds: Sequence[Mapping[str, float | None]], metrics: Sequence[str]
) -> Line:
    """Mean and standard deviation of some metrics over seeds, in the paper's units.

    Args:
        name: The line's name.
        source: The line's source.
        seeds: Metrics of each seed, as fractions from 0 to 1.
        metrics: Names of the metrics, in the columns' order.
    """
    return Line(name, source, tuple(_over_seeds(seeds, f) for f in metrics), len(seeds))


def _over_seeds(seeds: Sequence[Mapping[str, float | None]], metric: str) -> Value | None:
    known = [v for of_seed in seeds if (v := of_seed.get(metric)) is not None]
    if not known:
        return None
    values = np.array(known) * (1 if metric in NOT_PERCENT else 100)
    return Value(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None)


def published_line(
    name: str, row: Mapping[str, Any] | None, metrics: Sequence[str], source: str = PUBLISHED
) -> list[Line]:
    """The published values of a line, as printed; nothing if there are none.

    Args:
        name: The line's name.
        row: The values: a number, or a list of mean and standard deviation.
        metrics: Names of the metrics, in the columns' order.
        source: The line's source.
    """
    if row is None:
        return []
    values = [row.get(metric) for metric in metrics]
    cells = [Value(*v) if isinstance(v, list) else v if v is None else Value(v) for v in values]
    return [Line(name, source, tuple(cells))]


def beside(name: str, measured: Sequence[float | None], printed: Sequence[Any]) -> list[Line]:
    """A measured line, the published one, and their difference.

    Args:
        name: The lines' name.
        measured: The measured values.
        printed: The published values or None; if all are None, there is no published line.
    """
    lines = [Line(name, MEASURED, tuple(None if v is None else Value(v) for v in measured))]
    if all(value is None for value in printed):
        return lines
    pairs = list(zip(measured, printed, strict=True))
    differences = tuple(
        None if ours is None or theirs is None else Value(ours - theirs) for ours, theirs in pairs
    )
    values = tuple(None if v is None else Value(float(v)) for v in printed)
    return [*lines, Line(name, PUBLISHED, values), Line(name, DIFFERENCE, differences)]
