"""Run an external frozen TensorFlow graph, if it contains only arithmetic operations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array

if TYPE_CHECKING:
    from .model import Model

LARGEST_FILE = 64 * 2**20
"""Largest graph in bytes; MusiCNN has 3.2 million."""

LARGEST_TENSOR = 2**24
"""Most values of one tensor per input; MusiCNN's largest has 2.3 million."""

ARITHMETIC = """
Placeholder Const Identity NoOp StopGradient Cast
Conv2D DepthwiseConv2dNative BiasAdd MatMul BatchMatMulV2 MaxPool AvgPool
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
Relu Relu6 LeakyRelu Elu Selu Sigmoid Softmax Tanh Softplus Exp Log
Add AddV2 Sub Mul Neg RealDiv Maximum Minimum Square Sqrt Rsqrt SquaredDifference
Mean Max Min Sum ConcatV2 ExpandDims Squeeze Reshape Shape StridedSlice Pack Pad Transpose
"""
"""Operations of convolutional networks at inference, in TensorFlow 1 and 2.

None of them reads a file, calls Python, has a state or can loop.
"""


class FrozenGraph:
    """A model's graph, to be called on the CPU.

    Args:
        model: The file, and its nodes according to its description.

    Raises:
        UserError: if the file isn't a graph, has operations other than `ARITHMETIC`, or doesn't
            match its description.
    """

    def __init__(self, model: Model) -> None:
        import tensorflow as tf

        self.model = model
        graph = tf.Graph()
        with graph.as_default():
            try:
                tf.import_graph_def(self._checked(), name="")
                self._input, self._output = (
                    graph.get_tensor_by_name(f"{node}:0") for node in (model.input, model.output)
                )
            except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
                raise UserError(f"{model.graph} can't be used: {error}") from error
        self._check_shapes(graph)
        # A separate graph and session, which uses no GPU memory, as training needs it.
        on_cpu = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=graph, config=on_cpu)

    def __call__(self, batch: Array) -> Array:
        """Compute the output.

        Args:
            batch: `(batch, *model.shape)` float32.

        Returns:
            `(batch, model.size)` float32.

        Raises:
            UserError: if the graph can't be run, or its output has another shape.
        """
        import tensorflow as tf

        try:
            values = self._session.run(self._output, {self._input: batch})
        except tf.errors.OpError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.model.graph} can't be run: {reason}") from error
        if values.shape != (len(batch), self.model.size):
            raise UserError(
                f"{self.model.graph} gives {values.shape} for {len(batch)} inputs, not "
                f"{(len(batch), self.model.size)}"
            )
        return np.asarray(values, dtype=np.float32)

    def _checked(self) -> Any:
        """The definition of the graph, after checking its operations."""
        from google.protobuf.message import DecodeError
        from tensorflow.compat.v1 import GraphDef

        path = self.model.graph
        if path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path} is too large for such a model: over {LARGEST_FILE:,} bytes")
        definition = GraphDef()
        try:
            definition.ParseFromString(path.read_bytes())
        except DecodeError as error:
            raise UserError(f"{path} is damaged, or no frozen TensorFlow graph") from error
        if foreign := {node.op for node in definition.node} - set(ARITHMETIC.split()):
            raise UserError(
                f"{path} is not used: such a model needs no {', '.join(sorted(foreign))}, and what "
                "isn't known to do arithmetic alone is never run"
            )
        for node in definition.node:
            node.device = ""
            for private in [key for key in node.attr if key.startswith("_")]:
                del node.attr[private]
            if node.op == "Const":
                shape = node.attr["value"].tensor.tensor_shape
                self._check_size(node.name, [dimension.size for dimension in shape.dim])
        return definition

    def _check_shapes(self, graph: Any) -> None:
        import tensorflow as tf

        model, first, last = self.model, self._input, self._output
        if first.op.type != "Placeholder" or not (first.dtype == last.dtype == tf.float32):
            raise UserError(f"{model.graph}: {model.input} is not an input of float32 numbers")
        for tensor, shape in ((first, (None, *model.shape)), (last, (None, model.size))):
            if not tensor.shape.is_compatible_with(shape):
                raise UserError(
                    f"{model.graph}: {tensor.op.name} is {tensor.shape}, not {shape} as described"
                )
        for operation in graph.get_operations():
            for tensor in operation.outputs:
                dimensions = tensor.shape.as_list() if tensor.shape.rank is not None else []
                self._check_size(tensor.name, [size or 1 for size in dimensions])

    def _check_size(self, name: str, sizes: list[int]) -> None:
        if math.prod(sizes) > LARGEST_TENSOR or min(sizes, default=0) < 0:
            raise UserError(f"{self.model.graph}: {name} is of an impossible size: {sizes}")
