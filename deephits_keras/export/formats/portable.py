"""TensorFlow operations that other formats lack, replaced by ones that all of them have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deephits_keras.export.formats.frozen import constants

CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
TAILS = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip
"""Float32 coefficients of erfinv (Giles 2010, "Approximating the erfinv function")."""


def _log1p(x: Any) -> Any:
    """log(1 + x); near 0 its precision is that of float32 near 1."""
    import tensorflow as tf

    return tf.math.log(x + 1.0)


def _lower_bound(rows: Any, values: Any) -> Any:
    """The number of elements of each sorted row that are less than each value of its row."""
    import tensorflow as tf

    less = tf.expand_dims(rows, 1) < tf.expand_dims(values, 2)
    return tf.reduce_sum(tf.cast(less, tf.int32), axis=2)


def _erfinv(x: Any) -> Any:
    """The inverse error function by two polynomials of -log(1 - x^2); relative error 3e-7."""
    import tensorflow as tf

    # TensorFlow computes (x + 1) / 2 first, and its rounding near 1 affects the result. The
    # absolute value keeps OpenVINO from cancelling the two additions.
    x = tf.abs(x + 1.0) - 1.0
    rest = -tf.math.log((1.0 - x) * (1.0 + x))
    near, far = _polynomial(rest - 2.5, CENTRAL), _polynomial(tf.sqrt(rest) - 3.0, TAILS)
    return tf.where(rest < 5.0, near, far) * x


def _polynomial(variable: Any, coefficients: Sequence[float]) -> Any:
    total: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        total = total * variable + coefficient
    return total


REPLACEMENTS: dict[str, Callable[..., Any]] = {
    "Log1p": _log1p,
    "LowerBound": _lower_bound,
    "Erfinv": _erfinv,
}
"""Functions by name of the TensorFlow operation."""


def portable(function: Any) -> Any:
    """A frozen function (`frozen.frozen`) without the operations of `REPLACEMENTS`."""
    import tensorflow as tf

    graph = function.graph.as_graph_def(add_shapes=True)
    calls = [node for node in graph.node if node.op in REPLACEMENTS]
    if not calls:
        return function
    for node in calls:
        _call(node, function.graph.get_operation_by_name(node.name), graph.library)
    whole = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    inputs, outputs = (
        [whole.graph.as_graph_element(tensor.name) for tensor in tensors]
        for tensors in (function.inputs, function.outputs)
    )
    return constants(whole.prune(inputs, outputs))


def _call(node: Any, operation: Any, library: Any) -> None:
    """Turn a node into the call of a function, which is added to the library."""
    import tensorflow as tf

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in operation.inputs]
    made = tf.function(REPLACEMENTS[node.op]).get_concrete_function(*specs).function_def
    library.function.add().CopyFrom(made)
    node.op = "PartitionedCall"
    node.attr.clear()
    node.attr["f"].func.name = made.signature.name
    node.attr["Tin"].list.type.extend(t.dtype.as_datatype_enum for t in operation.inputs)
    node.attr["Tout"].list.type.extend(t.dtype.as_datatype_enum for t in operation.outputs)
