"""ONNX conversions of TensorFlow operations that tf2onnx lacks or converts incorrectly.

Each is a handler of tf2onnx that replaces a node of the graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ONNX_INT32 = 6

CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
TAILS = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip
"""Float32 coefficients of erfinv (Giles 2010, "Approximating the erfinv function")."""


def _as_where(context: Any, node: Any, name: str, args: Any) -> Any:
    """TensorFlow's SelectV2 is ONNX's Where, broadcasting included."""
    del context, name, args
    node.type = "Where"
    return node


def _as_log(context: Any, node: Any, name: str, args: Any) -> None:
    """log(1 + x) for TensorFlow's Log1p; near 0 its precision is that of float32 near 1."""
    del args
    (shape,), (dtype,) = node.output_shapes, node.output_dtypes
    context.remove_node(node.name)
    one = context.make_const(f"{name}/one", np.array(1, np.float32)).output[0]
    raised = context.make_node("Add", [node.input[0], one]).output[0]
    context.make_node(
        "Log", [raised], outputs=node.output, name=name, shapes=[shape], dtypes=[dtype]
    )


def _as_count(context: Any, node: Any, name: str, args: Any) -> None:
    """TensorFlow's LowerBound of one sorted row: the number of elements less than each value."""
    del args
    (shape,), (dtype,) = node.output_shapes, node.output_dtypes
    row, values = node.input
    if context.get_shape(row)[0] != 1:
        raise ValueError("LowerBound of several rows")
    context.remove_node(node.name)
    column = context.make_node("Transpose", [values], attr={"perm": [1, 0]}).output[0]
    less = context.make_node("Less", [row, column]).output[0]
    counted = context.make_node("Cast", [less], attr={"to": ONNX_INT32}).output[0]
    axis = context.make_const(f"{name}/axis", np.array([1], np.int64)).output[0]
    summed = context.make_node("ReduceSum", [counted, axis], attr={"keepdims": 1}).output[0]
    context.make_node(
        "Transpose",
        [summed],
        attr={"perm": [1, 0]},
        outputs=node.output,
        name=name,
        shapes=[shape],
        dtypes=[dtype],
    )


def _as_polynomials(context: Any, node: Any, name: str, args: Any) -> None:
    """The inverse error function by two polynomials of -log(1 - x^2); relative error 3e-7."""
    del args
    (shape,), (dtype,) = node.output_shapes, node.output_dtypes
    (x,) = node.input
    context.remove_node(node.name)
    numbers = itertools.count()

    def of(kind: str, *inputs: str) -> str:
        made: str = context.make_node(kind, list(inputs)).output[0]
        return made

    def constant(value: float) -> str:
        label = f"{name}/constant_{next(numbers)}"
        made: str = context.make_const(label, np.array(value, np.float32)).output[0]
        return made

    def polynomial(variable: str, coefficients: Sequence[float]) -> str:
        total = constant(coefficients[0])
        for coefficient in coefficients[1:]:
            total = of("Add", of("Mul", total, variable), constant(coefficient))
        return total

    one = constant(1.0)
    # TensorFlow computes (x + 1) / 2 first, and its rounding near 1 affects the result.
    x = of("Sub", of("Add", x, one), one)
    rest = of("Neg", of("Log", of("Mul", of("Sub", one, x), of("Add", one, x))))
    near = polynomial(of("Sub", rest, constant(2.5)), CENTRAL)
    far = polynomial(of("Sub", of("Sqrt", rest), constant(3.0)), TAILS)
    factor = of("Where", of("Less", rest, constant(5.0)), near, far)
    context.make_node(
        "Mul", [factor, x], outputs=node.output, name=name, shapes=[shape], dtypes=[dtype]
    )


HANDLERS: dict[str, Callable[..., Any]] = {
    "SelectV2": _as_where,
    "Log1p": _as_log,
    "LowerBound": _as_count,
    "Erfinv": _as_polynomials,
}
"""Handlers by name of the TensorFlow operation."""
