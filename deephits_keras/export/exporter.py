"""`export_run`: export a finished run as a bundle."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.checks import check_export
from deephits_keras.export.examples import example_inputs, wrong_answers
from deephits_keras.export.files import CARD, CHECKSUMS, EXAMPLES, MANIFEST
from deephits_keras.export.formats.base import Format
from deephits_keras.export.formats.registry import FORMATS, get_format
from deephits_keras.export.formats.web import Web
from deephits_keras.export.manifest import Manifest
from deephits_keras.export.quantized import Quantization
from deephits_keras.report.comparison import metric_tables
from deephits_keras.report.labels import METRICS
from deephits_keras.runs.run import Run
from deephits_keras.runs.scorer import Score
from deephits_keras.utils.files import PARTIAL, sha256, write_json, write_text

ALLOWED_DROP = 0.01
"""Largest loss of macro-F1 by 8-bit weights that is accepted by default, 0-1."""


def export_run(
    run: str | Path | Run,
    out: str | Path,
    *,
    kind: str = next(iter(FORMATS)),
    weights_licence: str = "not stated",
    quantize: str | None = None,
    allow_drop: float | None = None,
    onnxruntime_web: str | Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Bundle:
    """Export a finished run as a bundle, and compare its outputs with the run's.

    Args:
        run: The run, or its folder; Keras must run on TensorFlow.
        out: The bundle's folder; if it exists, it must be empty.
        kind: Name of the graph's format (`export.formats.registry`).
        weights_licence: Licence of the weights.
        quantize: `int8` stores the large weights in 8 bits (ONNX only); the effect is measured on
            the run's held-out tracks.
        allow_drop: Largest acceptable loss of macro-F1 by 8-bit weights, 0-1; by default
            `ALLOWED_DROP`.
        onnxruntime_web: For a page (`kind="web"`): the npm package's `.tgz` or folder, or `npm` to
            fetch it with npm.
        settings: Encoder settings that override the run's, if `run` is a folder.

    Returns:
        The bundle.

    Raises:
        UserError: if the run isn't finished, the folder isn't empty, or the model can't be
            converted or its outputs differ after conversion; or if 8-bit weights lose more than
            `allow_drop`.

    Example:
        >>> export_run("run", "bundle")  # doctest: +SKIP
    """
    run, out = run if isinstance(run, Run) else Run(run, settings), Path(out)
    check_export(
        out,
        kind=kind,
        quantize=quantize,
        allow_drop=allow_drop,
        onnxruntime_web=onnxruntime_web,
    )
    made = get_format(kind) if onnxruntime_web is None else Web(onnxruntime_web)
    model = run.model
    manifest = Manifest.from_run(
        run.config,
        run.calibration,
        run.encoders,
        kind=kind,
        graph=made.graph,
        weights_licence=weights_licence,
        unseen_columns=run.unseen_columns,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / f"{PARTIAL}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        batch = made.write(model, folder, manifest)
        manifest = dataclasses.replace(
            manifest,
            batch=batch,
            portable=made.write_encoders(run.encoders, folder, manifest),
        )
        inputs, score = example_inputs(run.encoders), run.scorer
        if quantize:
            lost = ALLOWED_DROP if allow_drop is None else allow_drop
            score, measured = _quantized(run, made, folder, manifest, lost)
            manifest = dataclasses.replace(manifest, quantized=measured)
        answers: dict[str, Any] = {**inputs, "outputs": score(inputs)}
        np.savez_compressed(folder / EXAMPLES, **answers)
        write_json(folder / MANIFEST, manifest)
        write_text(folder / CARD, model_card(run, manifest))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        checksums = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
        write_json(folder / CHECKSUMS, checksums)
        if problem := wrong_answers(Bundle(folder, run.settings)):
            raise UserError(f"The exported model isn't the run's: {problem}")
        if out.exists():
            out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Bundle(out, run.settings)


def _quantized(
    run: Run, made: Format, folder: Path, manifest: Manifest, allow_drop: float
) -> tuple[Score, Quantization]:
    """Store a graph's weights in 8 bits; return the new graph and its effect.

    Raises:
        UserError: if macro-F1 falls by more than `allow_drop`.
    """
    from deephits_keras.export.quantization import effect, quantize

    graph = folder / made.graph
    before, size = made.open(folder, manifest.inputs, run.task.outputs), graph.stat().st_size
    quantize(graph, graph)
    after = made.open(folder, manifest.inputs, run.task.outputs)
    measured = effect(run, before, after, (size, graph.stat().st_size))
    change = measured.metrics[run.task.tiers.name]["macro_f1"].difference
    if change is not None and -change > allow_drop:
        raise UserError(
            f"With weights of int8 the macro-F1 of {measured.tracks:,} {measured.part} tracks "
            f"falls by {-change:.4f}, more than the allowed {allow_drop:g}"
        )
    return after, measured


def model_card(run: Run, manifest: Manifest) -> str:
    """The model card, as Markdown (Mitchell et al. 2019, "Model Cards for Model Reporting")."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("card.md.jinja").render(
        config=manifest.run,
        calibration=manifest.calibration,
        manifest=manifest,
        task=run.task,
        main_part=run.reported_part,
        tables=metric_tables(run),
        labels=METRICS,
        missing=run.metrics.get("missing", {}),
        parameters=run.architecture.total,
    )
