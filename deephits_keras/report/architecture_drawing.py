"""A drawing of a model: one lane per modality, from its features to the fusion and the output."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from deephits_keras.model.architecture import Architecture, Branch, Part
from deephits_keras.report.style import BLUE, FAINT, GREEN, INK, MUTED, ORANGE, PAPER, styled

BOX_WIDTH, BOX_HEIGHT = 2.3, 1.1
LANE, LINE = 1.5, 0.28
INPUTS, ENCODERS, FUSION, OUTPUT = 1.3, 4.5, 8.0, 11.0
WIDTH = 12.4
INCHES = 0.72
"""Inches per unit of the drawing's coordinates."""


@styled
def draw_architecture(architecture: Architecture) -> Figure:
    """Draw a model: features, encoders, fusion and output, with sizes and trainable parameters.

    Example:
        >>> draw_architecture(architecture).savefig("model.png")
    """
    lanes = max(len(architecture.branches), 1)
    height = lanes * LANE + 0.7
    figure = Figure(figsize=(WIDTH * INCHES, height * INCHES))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.axis("off")
    middle = height - 0.1 - lanes * LANE / 2
    for lane, branch in enumerate(architecture.branches):
        y = height - 0.1 - (lane + 0.5) * LANE
        _draw_branch(axes, branch, y, middle + (y - middle) * BOX_HEIGHT / (2 * LANE * lanes))
    fusion, output = architecture.fusion_part, architecture.output
    _draw_part(axes, FUSION, middle, fusion, GREEN)
    _arrow(axes, (FUSION, middle), (OUTPUT, middle), str(fusion.output_size))
    _draw_part(axes, OUTPUT, middle, output, ORANGE, architecture.task)
    missing = architecture.missing_embeddings
    stand_ins = f", {missing:,} of them stand in for missing inputs" if missing else ""
    models = f", {architecture.members} models alike" if architecture.members > 1 else ""
    axes.text(
        WIDTH - 0.15,
        0.3,
        f"{architecture.total:,} trainable parameters{stand_ins}{models}",
        ha="right",
        weight="bold",
    )
    return figure


def _draw_branch(axes: Axes, branch: Branch, y: float, fusion_y: float) -> None:
    shapes = [f"{name} {' x '.join(map(str, shape))}" for name, shape in branch.inputs.items()]
    if len(shapes) > 2:
        shapes = [shapes[0], f"and {len(shapes) - 1} more"]
    _box(axes, INPUTS, y, MUTED, [branch.modality, *shapes])
    _arrow(axes, (INPUTS, y), (ENCODERS, y))
    _box(axes, ENCODERS, y, BLUE, [branch.encoder, f"{branch.parameters:,} parameters"])
    _arrow(axes, (ENCODERS, y), (FUSION, fusion_y), str(branch.embedding_size))


def _draw_part(axes: Axes, x: float, y: float, part: Part, colour: str, note: str = "") -> None:
    lines = [part.name, *([note] if note else []), f"{part.parameters:,} parameters"]
    _box(axes, x, y, colour, lines)


def _box(axes: Axes, x: float, y: float, colour: str, lines: list[str]) -> None:
    """A box around (x, y) with a heading and lines below it."""
    axes.add_patch(
        FancyBboxPatch(
            (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2),
            BOX_WIDTH,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.14",
            facecolor=to_rgba(colour, 0.1),
            edgecolor=colour,
            linewidth=1.4,
        )
    )
    top = y + LINE / 2 * (len(lines) - 1)
    for number, line in enumerate(lines):
        size, weight, ink = (10.0, "bold", INK) if number == 0 else (8.0, "normal", MUTED)
        text = axes.text(x, top - LINE * number, line, ha="center", va="center", color=ink)
        text.set(fontsize=size, fontweight=weight)
        points = text.get_window_extent(dpi=72).width
        text.set_fontsize(size * min(1, (BOX_WIDTH - 0.2) * INCHES * 72 / max(points, 1)))


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str = ""
) -> None:
    """An arrow between the boxes around two points, labelled with a size."""
    x0, x1 = start[0] + BOX_WIDTH / 2, end[0] - BOX_WIDTH / 2
    axes.add_patch(
        FancyArrowPatch(
            (x0, start[1]),
            (x1, end[1]),
            arrowstyle="-|>",
            mutation_scale=11,
            color=MUTED,
            linewidth=1.2,
            shrinkA=0,
            shrinkB=0,
        )
    )
    if label:
        axes.text(
            x0 + (x1 - x0) * 0.42,
            start[1] + (end[1] - start[1]) * 0.42,
            label,
            fontsize=8.5,
            ha="center",
            va="center",
            bbox={"facecolor": PAPER, "edgecolor": FAINT, "boxstyle": "round,pad=0.25"},
        )
