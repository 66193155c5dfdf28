"""A frozen TensorFlow graph from outside, run only if it does nothing but arithmetic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array

if TYPE_CHECKING:
    from .model import Model

LARGEST_FILE = 64 * 2**20
"""Bytes of a graph; MusiCNN has 3.2 million."""

LARGEST_TENSOR = 2**24
"""Values of one tensor for one input; MusiCNN's largest has 2.3 million."""

ARITHMETIC = """
Placeholder Const Identity NoOp StopGradient Cast
Conv2D DepthwiseConv2dNative BiasAdd MatMul BatchMatMulV2 MaxPool AvgPool
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3
Relu Relu6 LeakyRelu Elu Selu Sigmoid Softmax Tanh Softplus Exp Log
Add AddV2 Sub Mul Neg RealDiv Maximum Minimum Square Sqrt Rsqrt SquaredDifference
Mean Max Min Sum ConcatV2 ExpandDims Squeeze Reshape Shape StridedSlice Pack Pad Transpose
"""
"""What a convolutional network is made of for inference, as TensorFlow 1 and 2 write it.

None of these operations reads a file, calls Python, keeps a state or can go round in a loop.
"""


class FrozenGraph:
    """A model's graph, ready to be called on the CPU.

    Args:
        model: Which file, and its nodes as they are described.

    Raises:
        UserError: if the file is no graph, has operations other than `ARITHMETIC`, or isn't what
            its description says.
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
        # A graph and a session of its own: it takes no memory of a GPU, which training needs.
        on_cpu = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=graph, config=on_cpu)

    def __call__(self, batch: Array) -> Array:
        """Values of the output.

        Args:
            batch: `(batch, *model.shape)` float32.

        Returns:
            `(batch, model.size)` float32.

        Raises:
            UserError: if the graph can't be run, or gives something of another shape.
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
        """The graph's definition, once nothing in it can do more than arithmetic."""
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
