"""The page of trainings over rolling origins, a self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deephits_keras.report.labels import METRICS
from deephits_keras.report.pages import render_page
from deephits_keras.report.style import BLUE, GREEN, MUTED, ORANGE, RED, styled
from deephits_keras.types import FloatArray

if TYPE_CHECKING:
    from deephits_keras.training.rolling_rows import RollingPlan, RollingRow

CURVES = ("macro_f1", "accuracy", "tier_mae", "roc_auc", "mae", "r2", "spearman", "kendall")
"""Metrics with a picture; tables have all."""

OF = {"years": "years since the origin", "origin": "origin"}

PRINTED = ("macro_f1", "accuracy", "mae", "r2", "spearman")

LINES = tuple((colour, line) for line in ("-", "--", ":") for colour in (BLUE, ORANGE, GREEN, RED))


def rolling_page(plan: RollingPlan, rows: Sequence[RollingRow]) -> str:
    """The page.

    Args:
        plan: The trainings.
        rows: Their results.
    """
    by_years, by_origin = _of_each(rows, "years"), _of_each(rows, "origin")
    drawn = _known(by_years)
    whole = [row for row in rows if _whole(row)]
    task = next(iter(plan.plans.values())).task
    return render_page(
        __package__,
        "rolling.html.jinja",
        synthetic=plan.corpus.synthetic,
        warnings=list(plan.notes),
        corpus=str(plan.corpus.folder),
        task=task.name,
        origins=[str(origin) for origin in dict.fromkeys(origin for _, origin in plan.plans)],
        horizon=plan.horizon,
        curves={METRICS[n]: draw_curve(rows, n) for n in CURVES if n in drawn},
        tables={
            "by-years": _table("years", drawn, by_years),
            "by-origin": _table("origin", _known(by_origin), by_origin),
            "all": _table("", _known(whole), whole),
        },
    )


def years_table(rows: Sequence[RollingRow]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table by years that the command prints."""
    names = [name for name in PRINTED if name in _known(rows)]
    return _table("years", names, _of_each(rows, "years"))


def _known(rows: Sequence[RollingRow]) -> list[str]:
    known = {name for row in rows for name, value in row.metrics.items() if value is not None}
    return [name for name in METRICS if name in known]


def _whole(row: RollingRow) -> bool:
    return row.origin is None and row.years is None


def _of_each(rows: Sequence[RollingRow], of: str) -> list[RollingRow]:
    """The rows of each origin, or of each number of years."""
    other = "origin" if of == "years" else "years"
    return [row for row in rows if getattr(row, of) is not None and getattr(row, other) is None]


def _table(
    of: str, names: Sequence[str], rows: Sequence[RollingRow]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows as text; `of` is the attribute of the second column, or empty."""
    columns = [OF[of]] if of else []
    cells = [
        [
            row.modalities,
            *([str(getattr(row, of))] if of else []),
            f"{row.tracks:,}",
            # Empty where there are fewer songs than metrics are computed of.
            *(METRICS[n].show(row.metrics.get(n)) if row.metrics else "too few" for n in names),
        ]
        for row in rows
    ]
    return ["modalities", *columns, "tracks", *(METRICS[name].name for name in names)], cells


@styled
def draw_curve(rows: Sequence[RollingRow], name: str) -> Figure:
    """A metric by years since the origin: a line per set of modalities, a dot per origin."""
    figure = Figure(figsize=(5.0, 3.6))
    axes = figure.subplots()
    sets = list(dict.fromkeys(row.modalities for row in rows))
    for modalities, (colour, line) in zip(sets, LINES * len(sets), strict=False):
        own = [row for row in rows if row.modalities == modalities]
        axes.plot(*_points(own, name, each=False), line, color=colour, label=modalities, marker="o")
        years, values = _points(own, name, each=True)
        axes.scatter(years, values, color=colour, s=8, alpha=0.45)
        for row in own:
            interval = row.intervals.get(name)
            if interval and row.origin is None and row.years is not None:
                axes.plot([row.years] * 2, [interval.low, interval.high], color=colour, lw=1)
    axes.scatter([], [], color=MUTED, s=8, alpha=0.45, label="one origin")
    axes.set(xlabel="years since the origin", ylabel=METRICS[name].name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _points(rows: Sequence[RollingRow], name: str, *, each: bool) -> FloatArray:
    """`(2, n)` years and values: of each origin, or of all together."""
    points = [
        (row.years, row.metrics[name])
        for row in rows
        if row.years is not None
        and (row.origin is not None) == each
        and row.metrics.get(name) is not None
    ]
    return np.array(points, np.float64).reshape(-1, 2).T
