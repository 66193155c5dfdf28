"""8-bit weights of an ONNX graph, and their effect on a run's held-out tracks."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.export.formats.onnx_inspection import all_graphs
from deephits_keras.export.quantized import Change, Quantization
from deephits_keras.features.seen import seen_stores
from deephits_keras.pipeline.batches import Batches
from deephits_keras.runs.run import Run
from deephits_keras.runs.scorer import Score
from deephits_keras.training.scoring import BATCH_SIZE, Scored
from deephits_keras.types import Array
from deephits_keras.utils.files import replacing

SMALLEST = 1024
"""Fewest values of a weight that is stored in 8 bits: smaller ones need no room."""

ROWS: dict[str, Callable[[int], tuple[int, ...]]] = {
    "MatMul": lambda rank: (rank - 2,),
    "Gemm": lambda rank: (rank - 2,),
    "Conv": lambda rank: tuple(range(1, rank)),
    "Gather": lambda rank: tuple(range(1, rank)),
}
"""Axes of a weight that share a scale, by operator: each output channel, or word, has its own."""

PASSES = 9


def quantize(source: Path, target: Path) -> None:
    """Store the large weights of an ONNX graph in 8 bits, with a scale per output channel.

    The graph computes in float32: a weight is its 8-bit values times their scales. Runtimes
    multiply once, when they load the graph, so that it is as fast as before, and its answers don't
    depend on the processor, as those of 8-bit arithmetic do.

    Args:
        source: The graph.
        target: The file to write.

    Raises:
        UserError: if no weight is large enough.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(source))
    axes = _shared_axes(model.graph)
    nodes, kept = [], []
    for weight in model.graph.initializer:
        large = weight.data_type == onnx.TensorProto.FLOAT and math.prod(weight.dims) >= SMALLEST
        if not large or weight.name not in axes:
            kept.append(weight)
            continue
        values, scales = _as_int8(numpy_helper.to_array(weight), axes[weight.name])
        small, scale, wide = (f"{weight.name}/{part}" for part in ("int8", "scale", "float"))
        kept += [numpy_helper.from_array(values, small), numpy_helper.from_array(scales, scale)]
        nodes += [
            helper.make_node("Cast", [small], [wide], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [wide, scale], [weight.name]),
        ]
    if not nodes:
        raise UserError(
            f"Nothing to store in 8 bits: no weight of this model has {SMALLEST:,} values"
        )
    nodes += list(model.graph.node)
    for field, content in (("initializer", kept), ("node", nodes)):
        model.graph.ClearField(field)
        getattr(model.graph, field).extend(content)
    with replacing(target) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _shared_axes(graph: Any) -> dict[str, tuple[int, ...]]:
    """For each weight that an operator of `ROWS` uses, the axes that share a scale."""
    ranks = {weight.name: len(weight.dims) for weight in graph.initializer}
    return {
        name: ROWS[node.op_type](ranks[name])
        for inner in all_graphs(graph)
        for node in inner.node
        if node.op_type in ROWS
        for name in node.input[:2]
        if ranks.get(name, 0) > 1
    }


def _as_int8(values: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    largest = np.abs(values).max(axis=axes, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(values / scales).astype(np.int8), scales


def effect(run: Run, before: Score, after: Score, sizes: tuple[int, int]) -> Quantization:
    """Measure two graphs on the held-out tracks whose metrics the run reports.

    Args:
        run: The run; its corpus must be where it was.
        before: The graph with float32 weights.
        after: The graph with 8-bit weights.
        sizes: Their sizes in bytes.

    Raises:
        UserError: if the corpus is missing, or has changed.
    """
    corpus, part = run.require(), run.reported_part
    rows = np.asarray(run.split.parts[part], dtype=np.int64)
    popularity = corpus.popularity[rows]
    batches = Batches(
        seen_stores(corpus, run.encoders, run.unseen_columns),
        rows,
        run.task.targets(popularity),
        batch_size=BATCH_SIZE,
    )
    metrics = []
    for score in (before, after):
        outputs = np.concatenate([score(batches[n][0]) for n in range(len(batches))])
        metrics.append(Scored(run.task, rows, popularity, outputs).metrics(run.calibration))
    full, small = metrics
    inputs: Mapping[str, Array] = batches[0][0]
    return Quantization(
        part=part,
        tracks=len(rows),
        size=Change(*map(float, sizes)),
        milliseconds={
            str(count): _times(before, after, {n: v[:count] for n, v in inputs.items()})
            for count in dict.fromkeys((1, min(64, len(rows))))
        },
        metrics={
            group: {name: Change(value, small[group][name]) for name, value in of.items()}
            for group, of in full.items()
        },
    )


def _times(before: Score, after: Score, inputs: Mapping[str, Array]) -> Change:
    """Median milliseconds of passes that take turns, as the machine's load changes."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(PASSES):
        for score, times in zip((before, after), found, strict=True):
            start = time.perf_counter()
            score(inputs)
            times.append(1000 * (time.perf_counter() - start))
    return Change(*(round(statistics.median(times), 3) for times in found))
