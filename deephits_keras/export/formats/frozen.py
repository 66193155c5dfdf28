"""A Keras model as one TensorFlow function without variables, and such graphs run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import OUTPUT, check_size
from deephits_keras.runs.scorer import Score

if TYPE_CHECKING:
    import keras

CONTROL = frozenset(
    ("While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall")
)
"""Operations that TensorFlow counts as stateful in case a function that they call is."""


def frozen(model: keras.Model, *, batch: int | None = None) -> Any:
    """A model as a concrete function of tensors by name, with its weights as constants.

    Its graph has no variables, and functions only as bodies of loops.

    Args:
        model: The model, with a dictionary of inputs.
        batch: The batch size; any by default.

    Raises:
        UserError: if Keras runs on another backend.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "A model is exported from TensorFlow. Received: KERAS_BACKEND="
            f"{keras.backend.backend()}; the run itself is the same on every backend"
        )
    import tensorflow as tf

    signature = {
        name: tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }
    return constants(
        tf.function(
            lambda **inputs: tf.identity(model(inputs, training=False), name=OUTPUT)
        ).get_concrete_function(**signature)
    )


def constants(function: Any, *, lower_control_flow: bool = False) -> Any:
    """A concrete function with constants for variables, and calls of functions written out."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function, lower_control_flow=lower_control_flow)


def run_graph(
    graph_def: Any, inputs: Mapping[str, str], output: str, outputs: int, where: Path
) -> Score:
    """Inspect an untrusted graph, and load it to run on the CPU.

    Args:
        graph_def: The graph, a `GraphDef`.
        inputs: Name of the graph's tensor for each input.
        output: Name of its tensor of outputs.
        outputs: Number of values per track in that tensor.
        where: Its file, for messages.

    Raises:
        UserError: for operations that read files, have a state or aren't TensorFlow's, for too
            large tensors, or if the graph can't be loaded.
    """
    import tensorflow as tf

    graph_def = _reached(graph_def, output)
    functions = graph_def.library.function
    for nodes in (graph_def.node, *(each.node_def for each in functions)):
        _check_operations(nodes, where)
    graph = tf.Graph()
    with graph.as_default():
        try:
            tf.import_graph_def(graph_def, name="")
            fed = {name: graph.get_tensor_by_name(tensor) for name, tensor in inputs.items()}
            fetched = graph.get_tensor_by_name(output)
            bodies = [_body_of(each) for each in functions]
        except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
            raise UserError(f"{where} can't be used: {str(error)[:300]}") from error
    for operation in (op for each in (graph, *bodies) for op in each.get_operations()):
        for tensor in operation.outputs:
            check_size(tensor.name, tensor.shape.as_list() if tensor.shape.rank else [], where)
    if fetched.shape.as_list()[-1:] != [outputs]:
        raise UserError(f"{where} is refused: it gives {fetched.shape}, not {outputs} outputs")
    shapes = {name: (-1, *tensor.shape.as_list()[1:]) for name, tensor in fed.items()}
    # A GPU's memory belongs to training.
    on_cpu = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    session = tf.compat.v1.Session(graph=graph, config=on_cpu)
    return lambda arrays: session.run(
        fetched, {fed[name]: arrays[name].reshape(shape) for name, shape in shapes.items()}
    )


def _body_of(function_def: Any) -> Any:
    """The graph of a function, with inferred shapes; it is part of no other graph."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    return function_def_to_graph(function_def)


def _reached(graph_def: Any, output: str) -> Any:
    """The nodes and functions that a tensor depends on; a SavedModel has others, of its saver."""
    nodes = {node.name: node for node in graph_def.node}
    functions = {each.signature.name: each for each in graph_def.library.function}
    kept = type(graph_def)(versions=graph_def.versions)
    waiting, seen = [output.split(":")[0]], set[str]()
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in seen:
            seen.add(name)
            kept.node.append(nodes[name])
            waiting += [each.removeprefix("^").split(":")[0] for each in nodes[name].input]
    called: set[str] = set()
    calls = [kept.node]
    while calls:
        named = {name for node in calls.pop() for name in _functions_of(node)}
        for name in sorted(named & set(functions) - called):
            called.add(name)
            kept.library.function.append(functions[name])
            calls.append(functions[name].node_def)
    return kept


def _functions_of(node: Any) -> list[str]:
    """Names of the functions that a node refers to."""
    values = node.attr.values()
    return [value.func.name for value in values if value.HasField("func")] + [
        each.name for value in values for each in value.list.func
    ]


def _check_operations(nodes: Sequence[Any], where: Path) -> None:
    from tensorflow.core.framework import types_pb2
    from tensorflow.python.framework import op_def_registry

    # Strings name files, and resources are states.
    forbidden = {types_pb2.DT_STRING, types_pb2.DT_RESOURCE}
    for node in nodes:
        definition = op_def_registry.get(node.op)
        if definition is None:
            raise UserError(f"{where} is refused: {node.op} is no operation of TensorFlow")
        types = {arg.type for arg in (*definition.input_arg, *definition.output_arg)}
        for value in node.attr.values():
            types |= {value.type, *value.list.type}
        if types & forbidden or (definition.is_stateful and node.op not in CONTROL):
            raise UserError(f"{where} is refused: {node.op} does more than to compute")
        for value in node.attr.values():
            for weights in (value.tensor, *value.list.tensor):
                # A tensor of any size may be written as one value, which stands for all of them.
                check_size(node.name, [dim.size for dim in weights.tensor_shape.dim], where)
