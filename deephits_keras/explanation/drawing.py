"""Bar charts of contributions and of importances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from deephits_keras.encoders.explainable import Part
from deephits_keras.report.numbers import signed
from deephits_keras.report.style import BLUE, INK, MUTED, RED, styled

MOST_BARS = 20


def draw_parts(parts: Sequence[Part], target: str) -> Figure:
    """One bar per part, in the parts' order: blue raises the score, red lowers it.

    Of more than `MOST_BARS` parts, the largest are shown and the others are summed in one bar.
    Empty parts share one more bar, if their contribution isn't 0.
    """
    full = [number for number, part in enumerate(parts) if not part.empty]
    shown = sorted(full, key=lambda number: -abs(parts[number].contribution))[:MOST_BARS]
    ordered = [parts[number] for number in sorted(shown)]
    names = [f"{part.name} = {part.value}" if part.value else part.name for part in ordered]
    values = [part.contribution for part in ordered]
    if rest := [parts[number].contribution for number in full if number not in shown]:
        names.append(f"{len(rest)} others")
        values.append(sum(rest))
    if empty := [part for part in parts if part.empty and signed(part.contribution) != "0"]:
        names.append(", ".join(dict.fromkeys(part.value for part in empty)))
        values.append(sum(part.contribution for part in empty))
    return draw_bars(names, values, label=f"contribution to the {target}")


@styled
def draw_bars(
    names: Sequence[str], values: Sequence[float], *, label: str, spread: Sequence[float] = ()
) -> Figure:
    """Horizontal bars with their values, the first on top.

    Args:
        names: Names of the bars.
        values: Values of the bars.
        label: Label of the axis.
        spread: Standard deviations of the bars, or empty.
    """
    places = np.arange(len(names))
    figure = Figure(figsize=(5.8, 0.8 + 0.27 * len(names)))
    axes = figure.subplots()
    colours = [BLUE if value >= 0 else RED for value in values]
    bars = axes.barh(
        places, values, color=colours, height=0.7, xerr=spread or None, ecolor=INK, capsize=2
    )
    axes.bar_label(bars, [signed(value) for value in values], padding=4, color=MUTED, fontsize=7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    # Small contributions have long numbers, which would touch.
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.16)
    axes.set_xlabel(label)
    return figure
