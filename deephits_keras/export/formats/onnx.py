"""ONNX, written by tf2onnx and run by onnxruntime.

Keras' `export(format="onnx")` can't be used: normalisation constants become inputs, and a `where`
whose condition isn't `isnan` becomes products, which propagate NaN. With the frozen function
constants stay in the graph, and SelectV2 becomes ONNX's Where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import OUTPUT, Format
from deephits_keras.utils.files import replacing
from deephits_keras.utils.global_state import errors_only

if TYPE_CHECKING:
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score

OPSET = 17


class Onnx(Format):
    """ONNX of opset 17 with standard operators only; any batch."""

    name = "onnx"
    summary = "onnxruntime, on servers, computers and phones"
    files: ClassVar[tuple[str, ...]] = ("model.onnx",)
    extra = "runtime"

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write `model.onnx`; see `write_onnx`."""
        del manifest
        from deephits_keras.export.formats.frozen import frozen

        write_onnx(frozen(model), folder / self.graph)
        return None

    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect the graph, and load it in onnxruntime."""
        path = folder / self.graph
        try:
            import onnxruntime
        except ImportError:
            raise self.lacking("onnxruntime") from None
        from deephits_keras.export.formats.onnx_inspection import check_graph

        check_graph(path, inputs, outputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait for work in a loop take the cores from the rest of the process.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise UserError(f"{path} can't be loaded: {error}") from error

        def score(arrays: Any) -> Any:
            return session.run([OUTPUT], dict(arrays))[0]

        return score


def write_onnx(function: Any, path: Path) -> None:
    """Write a frozen function (`frozen.frozen`) as ONNX, with a dynamic batch.

    The graph has the function's input names, and one output named `outputs`.

    Args:
        function: The function.
        path: The file.

    Raises:
        UserError: if tf2onnx isn't installed, or the function has an operation that ONNX lacks.
    """
    try:
        import tf2onnx
    except ImportError:
        raise UserError(
            "Exporting to ONNX needs tf2onnx: pip install 'deephits-keras[onnx]'"
        ) from None
    from deephits_keras.export.formats.onnx_inspection import is_standard
    from deephits_keras.export.formats.portable import portable

    function = portable(function)
    names = [tensor.name for tensor in function.inputs]
    try:
        with errors_only("tf2onnx"):
            proto, _ = tf2onnx.convert._convert_common(
                function.graph.as_graph_def(add_shapes=True),
                name="deephits",
                input_names=names,
                output_names=[tensor.name for tensor in function.outputs],
                opset=OPSET,
                custom_op_handlers={"SelectV2": (_as_where, [])},
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


def _as_where(context: Any, node: Any, name: str, args: Any) -> Any:
    """TensorFlow's SelectV2 is ONNX's Where, broadcasting included."""
    del context, name, args
    node.type = "Where"
    return node


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


def _nodes(graph: Any) -> Iterator[Any]:
    """Every node of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
