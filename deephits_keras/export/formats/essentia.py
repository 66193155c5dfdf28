"""A frozen graph with the metadata of Essentia's own models, for its `TensorflowPredict`.

Essentia feeds tensors of four axes of float32 only: smaller inputs have axes of size 1 after the
batch, and whole numbers are converted inside the graph. The graph is tested with TensorFlow here;
Essentia's own, 2.5, must not be loaded in one process with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.export.formats.base import Format, MissingPackageError
from deephits_keras.utils.files import read_record, replacing, write_json

if TYPE_CHECKING:
    from deephits_keras.export.manifest import Manifest
    from deephits_keras.export.tensors import TensorInfo
    from deephits_keras.runs.scorer import Score
    from deephits_keras.tasks import Task

AXES = 3
"""Axes of a tensor of Essentia, without the batch."""


class Essentia(Format):
    """`model.pb`, a frozen graph, and `model.json`, in the schema of Essentia's models; any batch.

    Beside the raw outputs the graph gives the class scores and the popularity, 0-100.
    """

    name = "essentia"
    summary = "Essentia's TensorflowPredict, in C++ and Python"
    files = ("model.pb", "model.json")
    extra = ""

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write the graph and its metadata.

        Raises:
            UserError: for an input of more than three axes per track.
        """
        from deephits_keras.tasks import get_task

        for tensor in manifest.inputs:
            if len(tensor.shape) > AXES:
                raise UserError(
                    f"Essentia has no tensors of the shape {tensor.shape} that {tensor.name} has "
                    f"per track: at most {AXES} axes"
                )
        nodes = write_frozen(model, folder / self.graph, get_task(manifest.run.task))
        write_json(folder / "model.json", _metadata(manifest, nodes))
        return None

    def open(self, folder: Path, inputs: Sequence[TensorInfo], outputs: int) -> Score:
        """Inspect the graph, and load it in TensorFlow."""
        path = folder / self.graph
        try:
            from tensorflow.compat.v1 import GraphDef
        except ImportError:
            raise MissingPackageError(
                "A graph for Essentia is tested with TensorFlow: pip install tensorflow"
            ) from None
        from deephits_keras.export.formats.frozen import run_graph

        graph = GraphDef()
        try:
            graph.ParseFromString(path.read_bytes())
        except Exception as error:
            raise UserError(f"{path} is not a frozen graph: {type(error).__name__}") from error
        schema = read_record(folder / "model.json", dict[str, Any], "metadata").get("schema")
        names = [tensor.name for tensor in inputs]
        if schema != _schema(inputs, _nodes_of(schema)):
            raise UserError(f"{folder / 'model.json'} is damaged: its schema isn't the bundle's")
        fed = {name: f"{name}:0" for name in names}
        return run_graph(graph, fed, f"{_nodes_of(schema)['outputs']}:0", outputs, path)


def write_frozen(model: Any, path: Path, task: Task) -> dict[str, str]:
    """Write a model as a frozen graph of float32 tensors of four axes.

    Args:
        model: The `keras.Model`.
        path: The file.
        task: The task, which turns outputs into a popularity.

    Returns:
        The graph's node of `outputs`, of `popularity` and, for tiers, of `scores`.
    """
    import tensorflow as tf

    from deephits_keras.export.formats.frozen import constants

    tensors = model.input
    decode = _decoding(task)

    def compute(**given: Any) -> dict[str, Any]:
        inputs = {
            name: tf.cast(tf.reshape(given[name], (-1, *tensor.shape[1:])), tensor.dtype)
            for name, tensor in tensors.items()
        }
        return decode(model(inputs, training=False))

    function = tf.function(compute).get_concrete_function(
        **{
            name: tf.TensorSpec((None, *padded(tensor.shape[1:])), tf.float32, name=name)
            for name, tensor in tensors.items()
        }
    )
    names = sorted(function.structured_outputs)
    # Essentia's TensorFlow, 2.5, runs loops of operations, and none of functions.
    frozen = constants(function, lower_control_flow=True)
    with replacing(path) as temporary:
        temporary.write_bytes(frozen.graph.as_graph_def().SerializeToString(deterministic=True))
    outputs = [tensor.name.split(":")[0] for tensor in frozen.outputs]
    return dict(zip(names, outputs, strict=True))


def padded(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape with axes of size 1 in front, as Essentia's tensors have.

    Example:
        >>> padded((14,)), padded((128, 1292))
        ((1, 1, 14), (1, 128, 1292))
    """
    return (1,) * (AXES - len(shape)) + tuple(shape)


def _decoding(task: Task) -> Callable[[Any], dict[str, Any]]:
    """`Task.decode`, in TensorFlow."""
    import tensorflow as tf

    if task.kind == "regression":
        return lambda outputs: {
            "outputs": outputs,
            "popularity": tf.clip_by_value(outputs * 100.0, 0.0, 100.0),
        }
    midpoints = [[(low + high) / 2] for low, high in task.tiers.bounds]

    def decode(outputs: Any) -> dict[str, Any]:
        scores = tf.nn.softmax(outputs)
        popularity = tf.matmul(scores, tf.constant(midpoints, tf.float32))
        return {"outputs": outputs, "popularity": popularity, "scores": scores}

    return decode


PURPOSES = {"outputs": "logits", "popularity": "regression", "scores": "predictions"}


def _schema(inputs: Sequence[TensorInfo], nodes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": tensor.name,
                "type": "float",
                "shape": ["batch_size", *padded(tensor.shape)],
                "description": tensor.description,
            }
            for tensor in inputs
        ],
        "outputs": [
            {"name": node, "type": "float", "output_purpose": PURPOSES[name], "description": name}
            for name, node in sorted(nodes.items())
        ],
    }


def _nodes_of(schema: Any) -> dict[str, str]:
    """The nodes of the outputs in a schema; empty where it is damaged."""
    try:
        nodes = {str(each["description"]): str(each["name"]) for each in schema["outputs"]}
    except (KeyError, TypeError):
        return {}
    return nodes if {"outputs", "popularity"} <= set(nodes) <= set(PURPOSES) else {}


def _metadata(manifest: Manifest, nodes: Mapping[str, str]) -> dict[str, Any]:
    """`model.json`, with the fields of the files that come with Essentia's models."""
    from tensorflow import __version__

    run = manifest.run
    return {
        "name": "deephits popularity",
        "type": "regression" if "scores" not in nodes else "multi-class classifier",
        "version": str(manifest.format),
        "description": "popularity of a song, 0-100, and scores of its tiers",
        "framework": "tensorflow",
        "framework_version": __version__,
        "classes": list(manifest.output["tiers"]) if "scores" in nodes else [],
        "model_types": ["frozen_model"],
        "dataset": {"name": "", "size": f"{run.corpus['tracks']} tracks"},
        "license": manifest.licences["weights"],
        "schema": _schema(manifest.inputs, nodes),
        "inference": {
            "algorithm": "TensorflowPredict",
            "encoders": {
                modality: {"name": record.encoder, **record.config}
                for modality, record in run.modalities.items()
            },
        },
    }
