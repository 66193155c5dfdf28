"""`deephits export`: a run as a bundle that needs no Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.choices import QUANTIZATIONS
from deephits_keras.cli.common import EncoderCommand, import_keras, without_native_messages
from deephits_keras.cli.paths import PATH, RUN
from deephits_keras.export.formats.registry import FORMATS


@click.command(cls=EncoderCommand, short_help="Export a run, to predict without Keras.")
@click.argument("run", type=RUN)
@click.argument("out", type=PATH)
@click.option(
    "--format",
    "kind",
    type=click.Choice([*FORMATS]),
    default=next(iter(FORMATS)),
    show_default=True,
    help="File format of the model: "
    + "; ".join(f"{each.name} for {each.summary}" for each in FORMATS.values())
    + ".",
)
@click.option(
    "--weights-licence",
    default="not stated",
    show_default=True,
    metavar="TEXT",
    help="Licence of the model's weights, for the model card.",
)
@click.option(
    "--quantize",
    type=click.Choice(QUANTIZATIONS),
    help="With --format onnx: store the weights in 8 bits. Its effect on size, speed and every "
    "metric of the run's held-out tracks is written into the model card.",
)
@click.option(
    "--allow-drop",
    type=click.FloatRange(0, 1),
    show_default="0.01",
    help="With --quantize: largest loss of macro-F1 (0-1); a larger one is an error.",
)
@click.option(
    "--onnxruntime-web",
    metavar="PATH|npm",
    help="With --format web: the npm package that runs the model in the page, as its .tgz or "
    "folder, or `npm` to fetch it with npm.",
)
def export(
    run: Path,
    out: Path,
    kind: str,
    weights_licence: str,
    quantize: str | None,
    allow_drop: float | None,
    onnxruntime_web: str | None,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Export a run as a bundle: a folder that predicts without Keras or TensorFlow.

    The folder OUT contains the model as a graph, bundle.json (inputs, encoders with their
    settings, calibration), two example tracks with their predictions, a model card and checksums.
    `deephits predict OUT` and `deephits verify OUT` run the graph: in ONNX with
    onnxruntime, and in other formats with what belongs to them.

    \b
    Example:
      deephits export run bundle
      deephits verify bundle
      deephits predict bundle song.mp3 --lyrics song.txt
      deephits export run page --format web --onnxruntime-web npm
    """
    from deephits_keras.export.checks import check_export
    from deephits_keras.runs.run import Run

    check_export(
        out,
        kind=kind,
        quantize=quantize,
        allow_drop=allow_drop,
        onnxruntime_web=onnxruntime_web,
    )
    opened = Run(run, settings)
    import_keras()
    from deephits_keras.export.exporter import export_run

    with without_native_messages():
        bundle = export_run(
            opened,
            out,
            kind=kind,
            weights_licence=weights_licence,
            quantize=quantize,
            allow_drop=allow_drop,
            onnxruntime_web=onnxruntime_web,
        )
    parts = bundle.format.files[:1] if kind == "web" else bundle.format.files
    size = sum((out / name).stat().st_size for name in parts)
    measured = bundle.manifest.quantized
    if measured is None:
        click.echo(f"{bundle.manifest.graph}: {size / 1e6:.1f} MB, equal to the run on two tracks")
    else:
        macro = measured.metrics[bundle.task.tiers.name]["macro_f1"].difference or 0.0
        share = size / (measured.size.float32 or 1)
        click.echo(
            f"{bundle.manifest.graph}: {size / 1e6:.1f} MB, {share:.0%} of float32; macro-F1 of "
            f"{measured.tracks:,} {measured.part} tracks {macro:+.4f}"
        )
    click.echo(f"Bundle: {out}")
