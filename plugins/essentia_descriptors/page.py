"""The result of `deephits essentia fit` as an HTML page, with one scatter plot per descriptor."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from deephits_keras.report.pages import render_page
from deephits_keras.report.style import RASTER_BLUE, RASTER_GREY, RED, styled

from .fit import Fit, FittedDescriptor
from .mapping import RANGES


def fit_page(fit: Fit, corpus: str, *, synthetic: bool, folds: int) -> str:
    """The page as self-contained HTML without scripts."""
    measured = [
        (
            d.name,
            f"{d.tracks:,}",
            *(_shown(value) for value in (d.r2, d.mae, d.default_r2, d.default_mae)),
            d.outcome,
        )
        for d in fit.descriptors
    ]
    skipped = [(name, "", "", "", "", "", reason) for name, reason in fit.skipped.items()]
    return render_page(
        __package__,
        "page.html.jinja",
        synthetic=synthetic,
        fit=fit,
        corpus=corpus,
        folds=folds,
        rows=[*measured, *skipped],
        pictures={d.name: scatter(d) for d in fit.descriptors},
    )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@styled
def scatter(descriptor: FittedDescriptor) -> Figure:
    """A descriptor's fitted and default values compared with Spotify's."""
    figure = Figure(figsize=(4, 3.8))
    axes = figure.subplots()
    ends = (float(descriptor.true.min()), float(descriptor.true.max()))
    axes.plot(ends, ends, color=RED, linewidth=1, linestyle="--", label="equal", zorder=3)
    look: dict[str, Any] = {"s": 9, "alpha": 0.7, "linewidths": 0, "rasterized": True}
    if descriptor.default is not None:
        axes.scatter(
            descriptor.true, descriptor.default, color=RASTER_GREY, label="default", **look
        )
    axes.scatter(
        descriptor.true, descriptor.learnt, color=RASTER_BLUE, label="learnt, held out", **look
    )
    unit = {"loudness": ", dB", "tempo": ", BPM"}.get(descriptor.name, "")
    axes.set(
        title=f"{descriptor.name}: R² {descriptor.r2:.2f}, MAE {descriptor.mae:.3g}",
        xlabel=f"Spotify{unit}",
        ylabel=f"from Essentia{unit}",
    )
    if RANGES[descriptor.name] == (0.0, 1.0):
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.legend(loc="best")
    return figure
