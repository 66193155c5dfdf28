"""Convert a Keras model to ONNX with TensorFlow's frozen function and tf2onnx.

Keras' `export(format="onnx")` can't be used: normalisation constants become inputs, and a `where`
whose condition isn't `isnan` becomes products, which propagate NaN. With the frozen function
constants stay in the graph, and SelectV2 becomes ONNX's Where.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from deephits_keras.errors import UserError
from deephits_keras.export.inspection import is_standard
from deephits_keras.export.onnx_ops import HANDLERS
from deephits_keras.utils.files import replacing
from deephits_keras.utils.global_state import errors_only

OPSET = 17
OUTPUT = "outputs"


def write_onnx(model: keras.Model, path: Path) -> None:
    """Write a model of `{modality}_{feature}` inputs as ONNX, with a dynamic batch.

    The graph has the model's input names, and one output named `outputs`.

    Args:
        model: The model; Keras must run on TensorFlow.
        path: The file.

    Raises:
        UserError: if tf2onnx isn't installed, Keras runs on another backend, or the model has an
            operation that ONNX lacks.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "ONNX is exported from TensorFlow. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}; the run itself is the same on every backend"
        )
    try:
        import tf2onnx
    except ImportError:
        raise UserError(
            "Exporting to ONNX needs tf2onnx: pip install 'deephits-keras[onnx]'"
        ) from None
    frozen = _frozen(model)
    names = [tensor.name for tensor in frozen.inputs]
    try:
        with errors_only("tf2onnx"):
            proto, _ = tf2onnx.convert._convert_common(
                frozen.graph.as_graph_def(add_shapes=True),
                name="deephits",
                input_names=names,
                output_names=[tensor.name for tensor in frozen.outputs],
                opset=OPSET,
                custom_op_handlers={name: (made, []) for name, made in HANDLERS.items()},
            )
    except Exception as error:
        raise UserError(
            f"This model has an operation that ONNX lacks: {type(error).__name__}: {error}"
        ) from error
    if unknown := sorted({n.op_type for n in _nodes(proto.graph) if not is_standard(n)}):
        raise UserError(f"This model has operations that ONNX lacks: {', '.join(unknown)}")
    _rename(proto, {name: name.split(":")[0] for name in names})
    with replacing(path) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))


def _frozen(model: keras.Model) -> Any:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = {
        name: tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }
    function = tf.function(
        lambda **inputs: tf.identity(model(inputs, training=False), name=OUTPUT)
    ).get_concrete_function(**signature)
    return convert_variables_to_constants_v2(function, lower_control_flow=False)


def _rename(proto: Any, inputs: dict[str, str]) -> None:
    """Rename inputs, output and batch axis."""
    (output,) = proto.graph.output
    names = {**inputs, output.name: OUTPUT}
    for node in _nodes(proto.graph):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*proto.graph.input, *proto.graph.output]:
        value.name = names.get(value.name, value.name)
        batch = value.type.tensor_type.shape.dim[0]
        batch.Clear()
        batch.dim_param = "batch"


def _nodes(graph: Any) -> Any:
    """Every node of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
