"""Plots of a training and of a model's predictions; `style.svg` saves them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from deephits_keras.evaluation.metrics import confusion, per_tier_recall, reliability
from deephits_keras.report.style import BLUE, INK, MUTED, ORANGE, RASTER_BLUE, RED, fading, styled
from deephits_keras.tasks import POPULARITY_MAX, Tiers
from deephits_keras.types import FloatArray, IntArray

POINTS_IN_A_SCATTER = 2000
"""With more tracks than this, cells are drawn instead of points."""

SQUARE, WIDE = (5.0, 4.4), (5.0, 2.9)
"""Sizes in inches, so that the pictures line up side by side."""


@styled
def loss_curves(history: pd.DataFrame, selected_epoch: int | None = None) -> Figure:
    """Loss over the epochs (the paper's Figure 6).

    Args:
        history: One row per epoch, with the columns `epoch` and any of `loss` and
            `validation_loss`. With a column `member`, one line per member of an ensemble.
        selected_epoch: The epoch to mark.
    """
    curves = [
        ("loss", "training", MUTED, "--"),
        ("validation_loss", "validation", BLUE, "-"),
    ]
    figure = _curves(history, curves, selected_epoch)
    figure.axes[0].set(title="Loss", ylabel="mean loss per track")
    return figure


@styled
def score_curves(history: pd.DataFrame, selected_epoch: int | None = None) -> Figure:
    """Accuracy and macro-F1 over the epochs (the paper's Figure 7).

    Args:
        history: As in `loss_curves`, with any of the columns `accuracy`, `validation_accuracy` and
            `validation_macro_f1`.
        selected_epoch: The epoch to mark.
    """
    curves = [
        ("accuracy", "accuracy, training", MUTED, "--"),
        ("validation_accuracy", "accuracy, validation", BLUE, "-"),
        ("validation_macro_f1", "macro-F1, validation", ORANGE, "-"),
    ]
    figure = _curves(history, curves, selected_epoch)
    (axes,) = figure.axes
    axes.set(title="Accuracy and macro-F1", ylim=(0, None))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def _curves(
    history: pd.DataFrame, curves: Sequence[tuple[str, str, str, str]], selected_epoch: int | None
) -> Figure:
    """Lines of some columns, given as name, label, colour and line style."""
    figure = Figure(figsize=(5.0, 3.6))
    axes = figure.subplots()
    for column, label, colour, line in curves:
        if column in history:
            drawn = axes.plot(*_lines(history, column), line, color=colour, label=label)
            drawn[0].set(marker="o", markersize=2.5)
    if selected_epoch is not None:
        axes.axvline(selected_epoch, color=RED, linewidth=1.2, linestyle=":")
        axes.plot([], [], ":", color=RED, linewidth=1.2, label="selected epoch")
    axes.set(xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _lines(history: pd.DataFrame, column: str) -> tuple[FloatArray, FloatArray]:
    """Epochs and values of one member after the other, separated by NaN."""
    if "member" not in history:
        return history["epoch"].to_numpy(), history[column].to_numpy()
    gap = [np.nan]
    members = [table for _, table in history.groupby("member", sort=False)]
    epochs = [np.concatenate([table["epoch"], gap]) for table in members]
    values = [np.concatenate([table[column], gap]) for table in members]
    return np.concatenate(epochs), np.concatenate(values)


@styled
def confusion_matrix(true_tiers: IntArray, predicted_tiers: IntArray, tiers: Tiers) -> Figure:
    """Number of tracks by true and predicted tier, coloured by fraction of the true tier.

    The paper's Figure 5.
    """
    counts = confusion(true_tiers, predicted_tiers, tiers)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    figure = Figure(figsize=SQUARE)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=fading(BLUE), vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            text = f"{count:,}" if tiers.count > 5 else f"{count:,}\n{shares[row, column]:.0%}"
            ink = "white" if shares[row, column] > 0.55 * shares.max() else INK
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=7)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    ticks = range(tiers.count)
    axes.set_xticks(ticks, tiers.labels, rotation=45 if tiers.count > 5 else 0)
    axes.set_yticks(ticks, tiers.labels)
    axes.set(title="Confusion matrix")
    axes.set(xlabel="predicted tier (popularity)", ylabel="true tier (popularity)")
    bar = figure.colorbar(image, shrink=0.8, format=PercentFormatter(1, decimals=0))
    bar.set_label("fraction of the true tier's tracks")
    bar.outline.set_visible(False)
    return figure


@styled
def tier_recall(true_tiers: IntArray, predicted_tiers: IntArray, tiers: Tiers) -> Figure:
    """Recall of each tier, with the number of its tracks (the paper's Figure A1)."""
    recalls = per_tier_recall(true_tiers, predicted_tiers, tiers)
    counts = np.bincount(true_tiers, minlength=tiers.count)
    known = {tier: recall for tier, recall in enumerate(recalls) if recall is not None}
    figure = Figure(figsize=WIDE)
    axes = figure.subplots()
    bars = axes.bar(list(known), list(known.values()), color=BLUE, width=0.7)
    axes.bar_label(bars, [f"{counts[n]:,}" for n in known], padding=2, fontsize=7, color=MUTED)
    mean = float(np.mean(list(known.values())))
    axes.axhline(mean, color=RED, linewidth=1, linestyle="--", label="mean")
    axes.legend(loc="upper right")
    _tier_axis(axes, tiers)
    axes.set(title="Recall per tier, with its number of tracks", ylabel="recall")
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


@styled
def reliability_diagram(true_tiers: IntArray, scores: FloatArray) -> Figure:
    """Accuracy by highest class score, in the bins of the calibration error.

    Args:
        true_tiers: `(n,)` tier indices.
        scores: `(n, tiers)` class scores.
    """
    counts, confidence, accuracy = reliability(true_tiers, scores)
    figure = Figure(figsize=SQUARE)
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color=RED, linewidth=1, linestyle="--", label="equal")
    axes.vlines(confidence, confidence, accuracy, color=MUTED, linewidth=1)
    sizes = 12 + 200 * counts / counts.sum()
    axes.scatter(
        confidence, accuracy, s=sizes, color=BLUE, label="tracks of a bin", zorder=3, clip_on=False
    )
    axes.set(title="Accuracy by class score")
    axes.set(xlabel="highest class score, mean of the bin", ylabel="accuracy")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="upper left")
    return figure


@styled
def tier_distribution(true_tiers: IntArray, predicted_tiers: IntArray, tiers: Tiers) -> Figure:
    """Number of tracks per tier, true and predicted."""
    figure = Figure(figsize=WIDE)
    axes = figure.subplots()
    places = np.arange(tiers.count)
    for shift, values, label, colour in (
        (-0.2, true_tiers, "true", MUTED),
        (0.2, predicted_tiers, "predicted", BLUE),
    ):
        counts = np.bincount(values, minlength=tiers.count)
        axes.bar(places + shift, counts, width=0.4, color=colour, label=label)
    _tier_axis(axes, tiers)
    axes.set(title="Tracks in each tier", ylabel="tracks")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


def _tier_axis(axes: Axes, tiers: Tiers) -> None:
    crowded = tiers.count > 5
    axes.set_xticks(range(tiers.count), tiers.labels, rotation=60 if crowded else 0)
    axes.set(xlabel="tier (popularity)", xlim=(-0.6, tiers.count - 0.4))
    axes.grid(axis="x", visible=False)


@styled
def predicted_against_true(popularity: FloatArray, predicted: FloatArray) -> Figure:
    """Predicted against true popularity, 0-100, with the line where they are equal."""
    figure = Figure(figsize=SQUARE)
    axes = figure.subplots()
    ends = (0, POPULARITY_MAX)
    axes.plot(ends, ends, color=RED, linewidth=1, linestyle="--", label="equal", zorder=3)
    if len(popularity) > POINTS_IN_A_SCATTER:
        cells = axes.hexbin(
            popularity,
            predicted,
            gridsize=40,
            extent=(*ends, *ends),
            mincnt=1,
            cmap=fading(BLUE),
            linewidths=0.1,
        )
        figure.colorbar(cells, shrink=0.8, label="tracks per cell").outline.set_visible(False)
    else:
        # Rasterized: a thousand vector dots would make the page heavy.
        axes.scatter(
            popularity, predicted, s=14, color=RASTER_BLUE, alpha=0.7, linewidths=0, rasterized=True
        )
    axes.set(title="Predicted and true popularity")
    axes.set(xlabel="true popularity (0-100)", ylabel="predicted popularity (0-100)")
    axes.set(xlim=(-2, 102), ylim=(-2, 102), aspect="equal")
    axes.legend(loc="upper left")
    return figure
