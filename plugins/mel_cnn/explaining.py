"""Attribute a score to regions of time and frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from deephits_keras.audio.log_mel import against_mean_level
from deephits_keras.encoders.explainable import ExplainableFeatures, Part
from deephits_keras.encoders.features import Features
from deephits_keras.report.numbers import signed
from deephits_keras.report.style import MUTED

if TYPE_CHECKING:
    from .config import MelCNNConfig

TIMES, BANDS = 10, 4
"""Number of regions along each axis."""

CELL_TIMES, CELL_BANDS = 80, 16
"""Number of cells of the picture; contributions of single frames look like noise."""

TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


class ExplainableMel(ExplainableFeatures):
    """The log-mel spectrogram as the point; the baseline is constant at the training mean.

    Silence isn't used as the baseline: it is far from all training data.

    Args:
        config: The encoder's settings.
        features: One track's features.
        branch: The branch.
    """

    def __init__(self, config: MelCNNConfig, features: Features, branch: keras.Model) -> None:
        self.config = config
        values, baseline, reference = against_mean_level(features, branch)
        self.decibels = _in_a_row(values["log_mel"])
        self.sounding = _sounding(self.decibels)
        super().__init__(values, branch, baseline, reference)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per region, lowest bands first, then one for the padding.

        Several windows follow one after the other.
        """
        values = _in_a_row(attribution["log_mel"])
        sums = _cells(values[:, : self.sounding], BANDS, TIMES)
        hertz, seconds = self._frequencies(), self._seconds()
        bands = [f"{a:.0f}-{b:.0f} Hz" for a, b in _ends(hertz, sums.shape[0])]
        times = [
            f"{a:.1f}-{b:.1f} s" for a, b in _ends(seconds[: self.sounding + 1], sums.shape[1])
        ]
        parts = [
            Part(f"{time}, {band}", float(sums[row, column]))
            for column, time in enumerate(times)
            for row, band in enumerate(bands)
        ]
        if self.sounding < values.shape[1]:
            behind = float(values[:, self.sounding :].sum())
            span = f"{seconds[self.sounding]:.1f}-{seconds[-1]:.1f} s"
            parts.append(Part(span, behind, "padding or silence", empty=True))
        return parts

    def draw(self, attribution: Features) -> Figure:
        """The spectrogram in grey, and below it the same with the contributions in colour."""
        return self._draw(_cells(_in_a_row(attribution["log_mel"]), CELL_BANDS, CELL_TIMES))

    def _draw(self, cells: np.ndarray[Any, Any]) -> Figure:
        figure = Figure(figsize=(5.8, 4.8))
        bands, _ = self.decibels.shape
        extent = (0.0, float(self._seconds()[-1]), 0.0, float(bands))
        limit = max(float(np.abs(cells).max()), 1e-12)
        for axes, overlaid in zip(figure.subplots(2, 1, sharex=True), (False, True), strict=True):
            options = {"origin": "lower", "aspect": "auto", "extent": extent}
            grey = axes.imshow(self.decibels, cmap="gray", alpha=0.55 if overlaid else 1, **options)
            if overlaid:
                # No contribution is white, as in the bar: on a dark page, too.
                axes.set_facecolor("white")
                strength = np.sqrt(np.abs(cells) / limit)
                colours = axes.imshow(
                    cells, cmap="RdBu", vmin=-limit, vmax=limit, alpha=strength, **options
                )
            image = colours if overlaid else grey
            label = "contribution of a cell" if overlaid else "level, dB"
            bar = figure.colorbar(image, ax=axes, label=label, pad=0.01)
            bar.outline.set_visible(False)
            if overlaid:
                # As in the table: Matplotlib's own would put `1e-5` above the bar.
                bar.formatter = FuncFormatter(lambda value, _: signed(value))
            places = [hertz for hertz in TICKS_HZ if hertz < self.config.sample_rate / 2]
            axes.set_yticks(np.interp(places, self._frequencies(), np.arange(bands + 1)), places)
            axes.set_ylabel("frequency, Hz")
            axes.grid(False)
            if self.sounding < self.decibels.shape[1]:
                start, end = (float(self._seconds()[n]) for n in (self.sounding, -1))
                axes.axvspan(start, end, facecolor="none", edgecolor=MUTED, hatch="//", linewidth=0)
                middle = ((start + end) / 2, bands / 2)
                box = {"facecolor": "black", "edgecolor": "none", "alpha": 0.6}
                centred = {"ha": "center", "va": "center", "color": "white", "bbox": box}
                axes.annotate("padding or silence", middle, **centred)
        several = self.config.windows > 1
        axes.set_xlabel(f"seconds of the clip{'s, one after the other' if several else ''}")
        return figure

    def _frequencies(self) -> np.ndarray[Any, Any]:
        """Edges of the mel bands in Hz: the midpoints between neighbours."""
        from librosa import mel_frequencies

        centres = mel_frequencies(len(self.decibels) + 2, fmax=self.config.sample_rate / 2)
        edges: np.ndarray[Any, Any] = (centres[:-1] + centres[1:]) / 2
        edges[0], edges[-1] = centres[0], centres[-1]
        return edges

    def _seconds(self) -> np.ndarray[Any, Any]:
        """Start of each frame's hop and end of the last one, in seconds."""
        frames = np.arange(self.decibels.shape[1] + 1)
        return frames * self.config.hop_length / self.config.sample_rate


def _in_a_row(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`(bands, frames)` of one window, or of several concatenated in time."""
    return values if values.ndim == 2 else np.concatenate(list(values), axis=1)


def _sounding(decibels: np.ndarray[Any, Any]) -> int:
    """Number of frames before the padding (the minimum in every band); all without padding."""
    (heard,) = np.nonzero((decibels > decibels.min()).any(axis=0))
    return int(heard[-1]) + 1 if len(heard) else decibels.shape[1]


def _edges(size: int, pieces: int) -> np.ndarray[Any, Any]:
    """Edges of `pieces` segments of about equal size; fewer if `size` is smaller."""
    return np.linspace(0, size, min(size, pieces) + 1).round().astype(int)


def _ends(values: np.ndarray[Any, Any], pieces: int) -> list[tuple[float, float]]:
    edges = values[_edges(len(values) - 1, pieces)]
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _cells(values: np.ndarray[Any, Any], bands: int, times: int) -> np.ndarray[Any, Any]:
    """Sums of `values` over cells of about equal size: at most `(bands, times)`."""
    rows, columns = (_edges(n, k)[:-1] for n, k in zip(values.shape, (bands, times), strict=True))
    sums: np.ndarray[Any, Any] = np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1)
    return sums
