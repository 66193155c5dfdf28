"""Inspection of an ONNX graph before it is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import LARGEST_TENSOR, is_too_large
from deephits_keras.export.tensors import TensorInfo

DOMAINS = ("", "ai.onnx")
"""Domains of ONNX's standard operators."""

DTYPES = {1: "float32", 6: "int32"}
"""ONNX's numbers of the data types of inputs and outputs."""


def check_graph(path: Path, inputs: Sequence[TensorInfo], outputs: int) -> None:
    """Refuse a graph that isn't a pure function of the given inputs.

    Args:
        path: The ONNX file.
        inputs: Its inputs; each shape is preceded by a batch axis.
        outputs: Number of values per track of its output `outputs`.

    Raises:
        UserError: for operators of other domains, functions, weights in other files, other inputs
            or outputs, or too large tensors; or if `onnx` isn't installed.
    """
    model = _load(path)
    for problem in (*_foreign(model), *_problems(model, inputs, outputs)):
        raise UserError(f"{path} is refused: {problem}")


def check_operators(path: Path) -> None:
    """Refuse a graph that does more than to compute; its inputs may be of any size.

    Args:
        path: The ONNX file.

    Raises:
        UserError: for operators of other domains, functions, or weights in other files.
    """
    for problem in _foreign(_load(path)):
        raise UserError(f"{path} is refused: {problem}")


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise UserError(
            "A bundle's graph is checked by onnx: pip install 'deephits-keras[runtime]'"
        ) from None
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise UserError(f"{path} is not an ONNX graph: {type(error).__name__}") from error
    return model


def is_standard(node: Any) -> bool:
    """Whether a node's operator is a standard one of ONNX."""
    import onnx

    return node.domain in DOMAINS and onnx.defs.has(node.op_type)


def _foreign(model: Any) -> Iterator[str]:
    """What is more than standard operators and weights."""
    if model.functions:
        yield "it defines functions of its own"
    for graph in all_graphs(model.graph):
        for node in graph.node:
            if not is_standard(node):
                yield f"it has the operator {node.op_type} of {node.domain!r}, not of ONNX"
        if graph.sparse_initializer:
            yield "it has sparse weights"
        for weights in _tensors(graph):
            if weights.external_data or weights.data_location:
                yield f"its weights {weights.name!r} lie in another file"
            if math.prod(weights.dims) > LARGEST_TENSOR:
                yield f"its weights {weights.name!r} of shape {tuple(weights.dims)} are too large"


def _problems(model: Any, inputs: Sequence[TensorInfo], outputs: int) -> Iterator[str]:
    """Other inputs or outputs, and too large tensors, in order of the cost to find them."""
    wanted = [(tensor.name, tensor.dtype, tensor.shape) for tensor in inputs]
    found = [_described(value) for value in model.graph.input]
    if sorted(found) != sorted(wanted):
        yield f"it takes {found}, and bundle.json says {wanted}"
    given = [_described(value) for value in model.graph.output]
    if given != [("outputs", "float32", (outputs,))]:
        yield f"it gives {given}, not {outputs} outputs"
    yield from _too_large(model)


def _described(value: Any) -> tuple[str, str, tuple[int, ...]]:
    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    return value.name, DTYPES.get(tensor.elem_type, str(tensor.elem_type)), tuple(sizes[1:])


def all_graphs(graph: Any) -> Iterator[Any]:
    """A graph and the subgraphs of its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + [*attribute.graphs]:
                yield from all_graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _too_large(model: Any) -> Iterator[str]:
    """Tensors that are too large for a batch of one track."""
    import onnx

    one = type(model)()
    one.CopyFrom(model)
    for value in [*one.graph.input, *one.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    try:
        inferred = onnx.shape_inference.infer_shapes(one, data_prop=True, strict_mode=True)
    except Exception as error:
        yield f"its shapes don't fit together: {str(error).splitlines()[0][:200]}"
        return
    for graph in all_graphs(inferred.graph):
        for value in graph.value_info:
            sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
            if is_too_large(sizes):
                yield f"its tensor {value.name!r} of shape {tuple(sizes)} is too large"
    for name in _unsized(inferred.graph, frozenset()):
        yield f"it makes {name!r} from constants, of a size that only computing it would tell"


def _unsized(graph: Any, outer: frozenset[str]) -> Iterator[str]:
    """Tensors of unknown size that onnxruntime computes on loading, as they are made of constants.

    Args:
        graph: A graph with inferred shapes.
        outer: Constants of the graphs around it.
    """
    sized = {value.name for value in graph.value_info if _has_size(value)}
    constants = outer | {weights.name for weights in graph.initializer}
    for node in graph.node:
        inner = [a.g for a in node.attribute if a.HasField("g")]
        for each in inner:
            yield from _unsized(each, constants)
        if not inner and all(name in constants for name in node.input if name):
            yield from (name for name in node.output if name and name not in sized)
            constants |= {*node.output}


def _has_size(value: Any) -> bool:
    tensor = value.type.tensor_type
    return tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim)
