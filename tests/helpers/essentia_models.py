"""Stand-ins for Essentia's TensorFlow models, which may not be redistributed.

The files have the names, nodes, shapes and classes of the real ones (read in their published
descriptions and in the graph of msd-musicnn-1 that essentia.js ships), and weights whose effect can
be worked out by hand: the "vector" of a patch holds the mean of each mel band, and a head weighs
these means.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

LOW, HIGH = slice(0, 48), slice(48, 96)
CLASSES = {
    "danceability-msd-musicnn-1": ["danceable", "not_danceable"],
    "mood_acoustic-msd-musicnn-1": ["acoustic", "non_acoustic"],
    "voice_instrumental-msd-musicnn-1": ["instrumental", "voice"],
    "deam-msd-musicnn-2": ["valence", "arousal"],
    "emomusic-msd-musicnn-2": ["valence", "arousal"],
}
LOGITS = {
    "danceability-msd-musicnn-1": (6.0, -4.0),
    "mood_acoustic-msd-musicnn-1": (-3.0, 1.5),
    "voice_instrumental-msd-musicnn-1": (3.0, -1.0),
}
"""Of a classifier: factor of the low bands' mean, and summand; by what the first class is ahead."""

Array = np.ndarray[Any, Any]


def write_graph(path: Path, build: Callable[[], Any]) -> None:
    """Write what `build` makes as a frozen graph: constants, no variables."""
    with tf.Graph().as_default() as graph:
        build()
    path.write_bytes(graph.as_graph_def().SerializeToString())


def placeholder(*shape: int | None) -> Any:
    return tf.compat.v1.placeholder(tf.float32, shape, name="model/Placeholder")


def musicnn() -> None:
    """A patch's mean of each band, as a vector of 200; the rest is 0."""
    tf.compat.v1.placeholder(tf.bool, name="model/Placeholder_1")
    means = tf.reduce_mean(placeholder(None, 187, 96), axis=1)
    dense = tf.matmul(means, np.eye(96, 200, dtype=np.float32))
    vector = tf.nn.bias_add(dense, np.zeros(200, np.float32), name="model/dense/BiasAdd")
    tf.sigmoid(tf.matmul(vector, np.zeros((200, 50), np.float32)), name="model/Sigmoid")


def halves(vector: Any) -> Any:
    """`(batch, 2)`: the means of the low and of the high bands of a vector."""
    weights = np.zeros((200, 2), np.float32)
    weights[LOW, 0] = weights[HIGH, 1] = 1 / 48
    return tf.matmul(vector, weights)


def classifier(name: str) -> Callable[[], None]:
    def build() -> None:
        factor, summand = LOGITS[name]
        weights = np.array([(factor, 0), (0, 0)], np.float32)
        dense = tf.matmul(halves(placeholder(None, 200)), weights)
        logits = tf.nn.bias_add(dense, np.array([summand, 0], np.float32))
        tf.nn.softmax(logits, name="model/Softmax")

    return build


def regression() -> None:
    """Valence: 1 and the mean of the low bands; arousal: 1 and twice that of the high ones."""
    values = tf.matmul(halves(placeholder(None, 200)), np.diag([1, 2]).astype(np.float32))
    tf.identity(tf.nn.bias_add(values, np.ones(2, np.float32)), name="model/Identity")


GRAPHS: dict[str, Callable[[], None]] = {
    "msd-musicnn-1": musicnn,
    **{name: classifier(name) for name in LOGITS},
    "deam-msd-musicnn-2": regression,
    "emomusic-msd-musicnn-2": regression,
}


def description(name: str) -> dict[str, Any]:
    """The part of the published JSON that says how to use a model."""
    if name == "msd-musicnn-1":
        shape, size, output, purpose = [187, 96], [1, 200], "model/dense/BiasAdd", "embeddings"
        tags = [{"name": "model/Sigmoid", "shape": [1, 50], "output_purpose": "predictions"}]
        classes = [f"tag {n}" for n in range(50)]
    else:
        shape, size, purpose, tags, classes = [200], [2], "predictions", [], CLASSES[name]
        output = "model/Softmax" if name in LOGITS else "model/Identity"
    return {
        "name": name,
        "classes": classes,
        "schema": {
            "inputs": [{"name": "model/Placeholder", "type": "float", "shape": shape}],
            "outputs": [*tags, {"name": output, "shape": size, "output_purpose": purpose}],
        },
        "inference": {"sample_rate": 16000},
    }


def write_models(folder: Path, *names: str) -> Path:
    """Write MusiCNN and the heads that are named; all if none is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("msd-musicnn-1", *(names or CLASSES)):
        write_graph(folder / f"{name}.pb", GRAPHS[name])
        (folder / f"{name}.json").write_text(json.dumps(description(name)))
    return folder
