"""Figures of a report of drift: the p-value of each test, and the tiers of both samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from deephits_keras.drift_detection.comparisons import Comparison
from deephits_keras.drift_detection.result import Drift
from deephits_keras.report.style import BLUE, MUTED, ORANGE, RED, label_plainly, styled

MOST_SHOWN = 40
"""Tests in the picture, those with the smallest p-values."""

SMALLEST = 1e-12
"""Smaller p-values are drawn here."""


def label_of(comparison: Comparison) -> str:
    """What a test compares, as pages write it."""
    of = {"values": "", "features": ": features", "popularity": ": tiers"}
    return comparison.name + of.get(comparison.of, f": {comparison.of}")


def most_different(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons, the smallest p-values first."""
    return sorted(comparisons, key=lambda each: (each.p_value, -abs(each.effect)))


@styled
def draw_tests(result: Drift) -> Figure:
    """The adjusted p-value of each test, on a logarithmic scale, with the level."""
    shown = most_different(result.comparisons)[:MOST_SHOWN][::-1]
    figure = Figure(figsize=(7.5, 0.9 + 0.24 * len(shown)))
    axes = figure.subplots()
    values = [max(each.adjusted, SMALLEST) for each in shown]
    low = min(*values, result.level / 10) / 2
    places = np.arange(len(shown))
    colours = [RED if each.drift else BLUE for each in shown]
    axes.hlines(places, values, 1, colors=colours, linewidth=1)
    axes.scatter(values, places, color=colours, s=20, zorder=3)
    axes.axvline(result.level, color=MUTED, linestyle="--", linewidth=1)
    axes.set_yticks(places, [label_of(each) for each in shown])
    axes.set(xscale="log", xlabel="adjusted p-value", xlim=(low, 1.5))
    label_plainly(axes.xaxis)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.grid(axis="y", visible=False)
    return figure


@styled
def draw_tiers(result: Drift) -> Figure:
    """Share of the tracks in each tier, of both samples beside each other."""
    figure = Figure(figsize=(7.5, 2.8))
    axes = figure.subplots()
    places = np.arange(len(result.tiers))
    shares = np.array(list(result.tiers.values()))
    for shift, column, colour, name in (
        (-0.2, 0, BLUE, "training"),
        (0.2, 1, ORANGE, "this corpus"),
    ):
        axes.bar(places + shift, shares[:, column], width=0.38, color=colour, label=name)
    axes.set_xticks(places, list(result.tiers))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set(xlabel="popularity", ylabel="share of the tracks")
    axes.grid(axis="x", visible=False)
    axes.legend(ncols=2)
    return figure
