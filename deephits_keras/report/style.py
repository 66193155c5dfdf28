"""The look of every picture: one style, colours that a colour-blind reader can tell apart.

Figures are `matplotlib.figure.Figure` objects without pyplot: no global state and no window.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import matplotlib.style
from matplotlib.figure import Figure

P = ParamSpec("P")
Drawn = TypeVar("Drawn")

# Of Okabe and Ito's palette; ink and muted are for text and lines.
BLUE, ORANGE, VERMILLION, GREEN = "#0072B2", "#E69F00", "#D55E00", "#009E73"
INK, MUTED, FAINT = "#24292f", "#6e7781", "#d8dee4"

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.6,
    "savefig.dpi": 200,
    "svg.hashsalt": "deephits",
    # Names come from outside: a `$` in one is no formula.
    "text.parse_math": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


def styled(draw: Callable[P, Drawn]) -> Callable[P, Drawn]:
    """Run a drawing function in the package's style, whatever the user's own is."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Drawn:
        with matplotlib.style.context(["default", _STYLE]):
            return draw(*args, **kwargs)

    return in_style


def svg(figure: Figure) -> str:
    """The figure as SVG text, the same bytes for the same figure."""
    text = io.StringIO()
    with matplotlib.style.context(["default", _STYLE]):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
