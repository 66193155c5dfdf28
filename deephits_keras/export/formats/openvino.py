"""OpenVINO's intermediate representation, for Intel's processors.

It is converted from TensorFlow's graph, not from ONNX, whose loops OpenVINO refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import OUTPUT, Format, check_size
from deephits_keras.utils.files import replacing

if TYPE_CHECKING:
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score

WITHOUT_INPUTS = ("Const", "Parameter", "Result")
"""Types of layers that nothing is computed for on reading; a `Result` may be a constant."""

DTYPES = {"f32": "float32", "i32": "int32"}


class OpenVino(Format):
    """OpenVINO IR of float32 weights; any batch."""

    name = "openvino"
    summary = "OpenVINO, on Intel's CPUs, GPUs and NPUs"
    files = ("model.xml", "model.bin")
    extra = "openvino"

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write `model.xml` and `model.bin`; see `write_openvino`."""
        del manifest
        from deephits_keras.export.formats.frozen import frozen

        self._package()
        write_openvino(frozen(model), folder / self.graph)
        return None

    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect the graph, and compile it for the CPU."""
        openvino, path = self._package(), folder / self.graph
        _check_constants(path)
        try:
            model = openvino.Core().read_model(path)
        except Exception as error:
            raise UserError(f"{path} can't be read: {str(error)[:300]}") from error
        found = {_described(value) for value in model.inputs}
        given = [_described(value) for value in model.outputs]
        self.check_ends(path, found, given, inputs, outputs)
        for node in _operations(model):
            for value in node.outputs():
                shape = [d.get_length() if d.is_static else None for d in value.partial_shape]
                check_size(node.get_friendly_name(), shape, path)
        # Else float32 may be computed in bfloat16.
        compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda arrays: compiled(dict(arrays))[OUTPUT]

    def _package(self) -> Any:
        try:
            import openvino
        except ImportError:
            raise self.lacking("openvino") from None
        return openvino


def write_openvino(function: Any, path: Path) -> None:
    """Write a frozen function (`frozen.frozen`) as OpenVINO IR.

    Args:
        function: The function.
        path: The file `.xml`; the weights are written to `.bin` beside it.

    Raises:
        UserError: if the function has an operation that OpenVINO lacks.
    """
    import openvino

    from deephits_keras.export.formats.portable import portable

    function = portable(function)
    with replacing(path.with_suffix(".pb")) as graph:
        graph.write_bytes(function.graph.as_graph_def().SerializeToString())
        try:
            made = openvino.convert_model(graph)
        except Exception as error:
            raise UserError(
                f"This model has an operation that OpenVINO lacks: {str(error)[:500]}"
            ) from error
        wanted = {tensor.name.split(":")[0] for tensor in function.inputs}
        for value in made.inputs:
            # An input that is only passed on has the names of what it is passed on as, too.
            value.tensor.set_names(wanted & {name.split(":")[0] for name in value.names})
        made.outputs[0].tensor.set_names({OUTPUT})
        openvino.save_model(made, path, compress_to_fp16=False)
    path.with_suffix(".pb").unlink()


def _check_constants(path: Path) -> None:
    """Refuse operations on constants alone: OpenVINO computes them, of any size, while it reads.

    What `write_openvino` writes has none.
    """
    content = path.read_bytes()
    try:
        if b"<!" in content:
            raise ElementTree.ParseError("it declares entities")
        # Entities were refused.
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError as error:
        raise UserError(f"{path} can't be read: {error}") from error
    for net in root.iter():
        layers, edges = net.findall("layers/layer"), net.findall("edges/edge")
        constants = {layer.get("id") for layer in layers if layer.get("type") == "Const"}
        computed = {e.get("to-layer") for e in edges if e.get("from-layer") not in constants}
        for layer in layers:
            if layer.get("id") not in computed and layer.get("type") not in WITHOUT_INPUTS:
                raise UserError(
                    f"{path} is refused: {layer.get('type')} would be computed from constants on "
                    "reading, of any size"
                )


def _operations(model: Any) -> Iterator[Any]:
    """The operations of a model and of the bodies of its loops and branches."""
    for node in model.get_ops():
        yield node
        if node.get_type_name() == "If":
            bodies = [node.get_then_body(), node.get_else_body()]
        else:
            bodies = [node.get_function()] if hasattr(node, "get_function") else []
        for body in bodies:
            yield from _operations(body)


def _described(value: Any) -> tuple[str, str, tuple[int, ...]]:
    shape, kind = value.partial_shape, value.element_type.get_type_name()
    sizes = tuple(size.get_length() if size.is_static else 0 for size in list(shape)[1:])
    return value.any_name, DTYPES.get(kind, kind), sizes
