"""The style of all figures: one layout, and colours that colour-blind readers can distinguish.

A figure is drawn once, for a light page, with a transparent background. Its SVG contains a style
sheet that replaces its colours in dark mode (`DARK`), but not in print.

Figures are `matplotlib.figure.Figure` objects without pyplot: no global state and no window.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

P = ParamSpec("P")
Drawn = TypeVar("Drawn")

# From Okabe and Ito's palette, and a red that everybody can distinguish from its blue.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#b2182b"
RASTER_BLUE, RASTER_GREY = "#2f8fd0", "#8b949e"
"""A blue for rasterized dots, whose colour can't change: legible on light and dark pages."""
INK, MUTED, FAINT, PAPER = "#24292f", "#6e7781", "#d8dee4", "#fefefe"
"""Text, secondary text and lines, grids, and the background of labels."""

DARK = {
    BLUE: "#58a6e0",
    ORANGE: "#f0b93a",
    GREEN: "#3fc39a",
    RED: "#ff7b72",
    INK: "#e6edf3",
    MUTED: "#9198a1",
    FAINT: "#30363d",
    PAPER: "#161b22",
}
"""Replacement of each colour in dark mode."""

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
    "savefig.facecolor": "none",
    "svg.hashsalt": "deephits",
    # Names come from outside: a `$` in them doesn't start a formula.
    "text.parse_math": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


def styled(draw: Callable[P, Drawn]) -> Callable[P, Drawn]:
    """Run a drawing function in the package's style, regardless of the user's settings."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Drawn:
        with matplotlib.style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return in_style


def svg(figure: Figure) -> str:
    """The figure as SVG that follows dark mode; the same bytes for the same figure."""
    text = io.StringIO()
    with matplotlib.style.context(["default", _STYLE]):
        if engine := figure.get_layout_engine():
            # Otherwise `savefig` draws the whole figure a second time, for its layout.
            engine.execute(figure)
            figure.set_layout_engine("none")
        # `savefig` would draw it once more, without output, to let an engine arrange it.
        figure.set(dpi=matplotlib.rcParams["savefig.dpi"], facecolor="none")
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return text.getvalue().replace("</defs>", f"{_dark_sheet()}</defs>", 1)


@functools.cache
def _dark_sheet() -> str:
    """Style sheet for dark mode; `!important` overrides Matplotlib's inline styles."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark} !important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    return (
        f'<style type="text/css">@media screen and (prefers-color-scheme:dark){{{rules}}}</style>'
    )


def label_plainly(axis: Axis) -> None:
    """Label a logarithmic axis with numbers.

    Matplotlib's own labels of powers are formulas, which the style doesn't parse.
    """
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def fading(colour: str) -> ListedColormap:
    """A colour map from transparent to a colour."""
    return ListedColormap([to_rgba(colour, alpha) for alpha in np.linspace(0.03, 1, 256)])
