"""TensorFlow's SavedModel, for TensorFlow Serving and TensorFlow without Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import OUTPUT, Format, MissingPackageError

if TYPE_CHECKING:
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score

SIGNATURE, TAG = "serving_default", "serve"


class SavedModel(Format):
    """A SavedModel of one signature, `serving_default`, with the weights as constants; any batch.

    `verify` and `predict` run the signature's graph alone: nothing else of the file, such as what
    TensorFlow would run when it loads a SavedModel.
    """

    name = "saved-model"
    summary = "TensorFlow and TensorFlow Serving"
    files = (
        "saved_model/saved_model.pb",
        "saved_model/fingerprint.pb",
        "saved_model/variables/variables.index",
        "saved_model/variables/variables.data-00000-of-00001",
    )
    extra = ""

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write the folder `saved_model`."""
        del manifest
        from deephits_keras.export.formats.frozen import frozen

        write_saved_model(frozen(model), (folder / self.graph).parent)
        return None

    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect the graph of the signature, and load it in TensorFlow."""
        path = folder / self.graph
        try:
            from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as Proto
        except ImportError:
            raise MissingPackageError(
                "A SavedModel is run by TensorFlow: pip install tensorflow"
            ) from None
        from deephits_keras.export.formats.frozen import run_graph

        proto = Proto()
        try:
            proto.ParseFromString(path.read_bytes())
            (meta,) = proto.meta_graphs
            signature = meta.signature_def[SIGNATURE]
            given = {name: tensor.name for name, tensor in signature.inputs.items()}
            output = signature.outputs[OUTPUT].name
        except Exception as error:
            raise UserError(f"{path} is not a SavedModel: {type(error).__name__}") from error
        if set(given) != {tensor.name for tensor in inputs}:
            raise UserError(f"{path} is refused: it takes {sorted(given)}")
        return run_graph(meta.graph_def, given, output, outputs, path)


def write_saved_model(function: Any, folder: Path) -> None:
    """Write a frozen function (`frozen.frozen`) as a SavedModel.

    Args:
        function: The function.
        folder: The SavedModel's folder.
    """
    import tensorflow as tf

    module = served(function)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.score})


def served(function: Any) -> Any:
    """A TensorFlow module whose method `score` takes a frozen function's inputs by name."""
    import tensorflow as tf

    specs = [tf.TensorSpec(t.shape, t.dtype, t.name.split(":")[0]) for t in function.inputs]
    module = tf.Module()
    module.score = tf.function(
        lambda *values: {OUTPUT: function(*values)[0]}, input_signature=specs
    )
    return module
