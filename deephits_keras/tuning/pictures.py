"""Figures of a search: its history, the importance of each setting, and slices through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deephits_keras.report.style import BLUE, GREEN, MUTED, ORANGE, RED, label_plainly, styled
from deephits_keras.tuning.search import COMPLETE, Record, Search
from deephits_keras.tuning.space import text_of

COLUMNS = 3
"""Slices beside each other."""

NOTED = 0.02
"""Fraction of the range by which the scale goes beyond the values."""


@styled
def draw_history(search: Search, records: Sequence[Record], label: str) -> Figure:
    """The metric of each trial, and the best so far."""
    figure = Figure(figsize=(7.5, 3.2))
    axes = figure.subplots()
    whole = _of(records, complete=True)
    ended = _of(records, complete=False)
    axes.scatter(*_points(ended), s=18, color=MUTED, marker="x", label="ended early")
    axes.scatter(*_points(whole), s=22, color=BLUE, label="complete")
    if whole:
        numbers, values = _points(whole)
        best = (np.maximum if search.metric.maximise else np.minimum).accumulate(values)
        axes.step([*numbers, records[-1].number], [*best, best[-1]], where="post", color=GREEN)
        axes.plot([], [], color=GREEN, label="best so far")
        _limit(axes, values)
    axes.set(xlabel="trial", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(ncols=3, loc="best")
    return figure


@styled
def draw_importance(importance: Mapping[str, float]) -> Figure:
    """The importance of each setting, the largest first."""
    figure = Figure(figsize=(7.5, 0.7 + 0.34 * len(importance)))
    axes = figure.subplots()
    names = list(importance)[::-1]
    bars = axes.barh(names, [importance[name] for name in names], color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{importance[name]:.0%}" for name in names], padding=3, color=MUTED)
    axes.set(xlabel="share of the metric's variance", xlim=(0, 1))
    axes.grid(axis="y", visible=False)
    return figure


@styled
def draw_slices(search: Search, records: Sequence[Record], best: Record, label: str) -> Figure:
    """The metric of the trials by the value of each setting."""
    names = list(search.space)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(7.5, 2.4 * rows))
    grid = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        _slice(axes, search, name, records, best)
    for row in grid:
        row[0].set_ylabel(label)
    return figure


def _slice(axes: Axes, search: Search, name: str, records: Sequence[Record], best: Record) -> None:
    dimension = search.space[name]
    labels = list(dimension.labels)

    def place(record: Record) -> Any:
        value = record.values[name]
        return labels.index(text_of(value)) if labels else value

    known = [r for r in records if name in r.values and r.result.value is not None]
    for complete, colour, marker in ((False, MUTED, "x"), (True, BLUE, "o")):
        shown = _of(known, complete=complete)
        places = [place(record) for record in shown]
        axes.scatter(places, _points(shown)[1], s=14, color=colour, marker=marker)
    if name in best.values:
        axes.scatter(
            place(best),
            float(best.result.value or 0.0),
            s=46,
            color=ORANGE,
            edgecolors=RED,
            zorder=3,
        )
    if labels:
        slant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(labels)), labels, **(slant if len(labels) > 3 else {}))
        axes.margins(x=0.15)
    elif dimension.log:
        axes.set_xscale("log")
        label_plainly(axes.xaxis)
    whole = _of(records, complete=True)
    if whole:
        _limit(axes, _points(whole)[1])
    axes.set_title(name)


def _of(records: Sequence[Record], *, complete: bool) -> list[Record]:
    return [
        record
        for record in records
        if record.result.value is not None and (record.result.outcome == COMPLETE) == complete
    ]


def _points(records: Sequence[Record]) -> tuple[list[int], list[float]]:
    return [r.number for r in records], [float(r.result.value or 0.0) for r in records]


def _limit(axes: Axes, values: Sequence[float]) -> None:
    """Show the complete trials: one that was ended early may be far away."""
    low, high = min(values), max(values)
    room = (high - low or abs(low) or 1.0) * (NOTED + 0.05)
    axes.set_ylim(low - room, high + room)
