"""LiteRT, formerly TensorFlow Lite, for phones and small devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import OUTPUT, Format, check_size
from deephits_keras.utils.files import replacing

if TYPE_CHECKING:
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score

LOOPS = ("While", "StatelessWhile")


class LiteRT(Format):
    """A LiteRT model of built-in operators and one signature, `serving_default`.

    The batch is of any size, or of one track for models with loops (recurrent layers): a loop
    collects its steps in a list, whose elements must have a fixed shape.
    """

    name = "litert"
    summary = "LiteRT (TensorFlow Lite), on phones and small devices"
    files = ("model.tflite",)
    extra = "litert"

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write `model.tflite`; see `write_litert`."""
        del manifest
        from deephits_keras.export.formats.frozen import frozen

        function = frozen(model)
        loops = any(node.op in LOOPS for node in function.graph.as_graph_def().node)
        batch = 1 if loops else None
        write_litert(frozen(model, batch=1) if loops else function, folder / self.graph)
        return batch

    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect the graph, and load it in LiteRT's interpreter."""
        path = folder / self.graph
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise self.lacking("ai-edge-litert") from None
        import numpy as np

        try:
            interpreter = Interpreter(model_path=str(path))
            _check_sizes(interpreter, path)
            # Only now are operators resolved and their real sizes computed.
            interpreter.allocate_tensors()
            _check_sizes(interpreter, path)
            run = interpreter.get_signature_runner(SIGNATURE)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{path} can't be loaded: {str(error)[:300]}") from error
        found = {_described(name, value) for name, value in run.get_input_details().items()}
        given = [_described(name, value) for name, value in run.get_output_details().items()]
        self.check_ends(path, found, given, inputs, outputs)
        first = next(iter(run.get_input_details().values()))
        if first["shape_signature"][0] == -1:
            return lambda arrays: run(**arrays)[OUTPUT]

        def one_by_one(arrays: Any) -> Any:
            count = len(next(iter(arrays.values())))
            rows = (
                run(**{name: values[place : place + 1] for name, values in arrays.items()})[OUTPUT]
                for place in range(count)
            )
            return np.concatenate(list(rows))

        return one_by_one


SIGNATURE = "serving_default"


def write_litert(function: Any, path: Path) -> None:
    """Write a frozen function (`frozen.frozen`) for LiteRT.

    Args:
        function: The function.
        path: The file.

    Raises:
        UserError: if the function has an operation that LiteRT lacks.
    """
    import tensorflow as tf

    from deephits_keras.export.formats.portable import portable
    from deephits_keras.export.formats.saved_model import served

    module = served(portable(function))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.score.get_concrete_function()], module
    )
    try:
        made = converter.convert()
    except Exception as error:
        raise UserError(
            f"This model has an operation that LiteRT lacks: {str(error)[:500]}"
        ) from error
    with replacing(path) as temporary:
        temporary.write_bytes(made)


def _check_sizes(interpreter: Any, path: Path) -> None:
    """Refuse too large tensors of a model and of the bodies of its loops and branches."""
    for subgraph in range(interpreter.num_subgraphs()):
        for value in interpreter.get_tensor_details(subgraph):
            for shape in (value["shape_signature"], value["shape"]):
                check_size(value["name"], shape, path)


def _described(name: str, value: Any) -> tuple[str, str, tuple[int, ...]]:
    shape = tuple(int(size) for size in value["shape_signature"])
    return name, value["dtype"].__name__, shape[1:]
