"""`deephits build`: assemble a model and show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    MODALITIES,
    TASK,
    EncoderCommand,
    fusion_options,
    get_fusion_settings,
    import_keras,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import PATH
from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.model.architecture import Architecture, LayerRow

Row = tuple[str, str, str, str, str]


@click.command(cls=EncoderCommand, short_help="Build an untrained model and show its parts.")
@click.option(
    "--modalities",
    required=True,
    metavar="M[=ENCODER],...",
    help=MODALITIES,
)
@fusion_options()
@click.option("--out", type=PATH, help="Save the model to this file (.keras).")
@click.option(
    "--plot", type=PATH, help="Save a drawing of the model to this file (.png, .svg or .pdf)."
)
@click.option("--layers", is_flag=True, help="Print every layer, not only the branches.")
@json_option
def build(
    modalities: str,
    fusion: str | None,
    fusion_weights: str | None,
    head: str | None,
    task: str | None,
    out: Path | None,
    plot: Path | None,
    layers: bool,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Build an untrained model and show its branches, shapes and parameters.

    \b
    Example:
      deephits build --modalities mel,lyrics,meta --task tiers-10
      deephits build --modalities mel,meta --fusion late --plot model.png
    """
    from deephits_keras.encoders.registry import resolve_modalities
    from deephits_keras.model.fusion import get_fusion
    from deephits_keras.tasks import get_task

    for path, endings in ((out, (".keras",)), (plot, (".png", ".svg", ".pdf"))):
        if path is not None and path.suffix not in endings:
            raise UserError(f"{path} must end in {' or '.join(endings)}")
    wanted = get_task(task or TASK)
    meeting = get_fusion({"name": "early", **get_fusion_settings(fusion, fusion_weights, head)})
    encoders = resolve_modalities(modalities, settings)
    meeting.check(list(encoders), classification=wanted.kind == "classification")

    import_keras()
    from deephits_keras.model.builder import build_model, describe
    from deephits_keras.model.symbolic import symbolic_model
    from deephits_keras.utils.files import replacing

    symbolic_model(list(encoders.values()), fusion=meeting, task=wanted)
    model = build_model(list(encoders.values()), fusion=meeting, task=wanted)
    architecture = describe(model, encoders, fusion=meeting, task=wanted)
    if out:
        with replacing(out) as temporary:
            model.save(temporary)
    if plot:
        from deephits_keras.report.architecture_drawing import draw_architecture

        with replacing(plot) as temporary:
            draw_architecture(architecture).savefig(temporary)
    if as_json:
        print_json(architecture)
        return
    print_table(
        f"DeepHits: {architecture.task}, {architecture.fusion} fusion",
        ("part", "encoder", "input", "output", "trainable parameters"),
        _rows(architecture, layers=layers),
        text_columns=4,
    )
    for path, verb in ((out, "Saved"), (plot, "Drawn")):
        if path:
            click.echo(f"{verb}: {path}")


def _rows(architecture: Architecture, *, layers: bool) -> Iterator[Row]:
    for branch in architecture.branches:
        inputs = ", ".join(f"{name} {_shape(shape)}" for name, shape in branch.inputs.items())
        size = str(branch.embedding_size)
        yield (branch.modality, branch.encoder, inputs, size, f"{branch.parameters:,}")
        yield from _layer_rows(branch.layers if layers else ())
    if architecture.missing_embeddings:
        yield ("missing", "", "", "", f"{architecture.missing_embeddings:,}")
    embeddings = sum(branch.embedding_size for branch in architecture.branches)
    for part, given in (
        (architecture.fusion_part, embeddings),
        (architecture.output, architecture.fusion_part.output_size),
    ):
        yield (part.name, "", str(given), str(part.output_size), f"{part.parameters:,}")
        yield from _layer_rows(part.layers if layers else ())
    yield ("total", "", "", "", f"{architecture.total:,}")


def _layer_rows(rows: tuple[LayerRow, ...]) -> Iterator[Row]:
    for row in rows:
        shape = _shape(row.output_shape)
        yield (f"  {row.name}", row.kind, "", shape, f"{row.parameters:,}")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
