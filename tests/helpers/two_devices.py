"""Train on one device and on two of this machine's, and save what either comes to.

A program of its own, since devices are made before TensorFlow computes anything.
Needs this folder on the path, as pytest has it (setup.cfg).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from toys import Toy, make_corpus

from deephits_keras import build_model
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import Batches, dataset
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.cluster import Worker
from deephits_keras.training.distribution import Distribution
from deephits_keras.training.trainer import make_optimizer

# Batches of seven can't be halved, and one track is left over.
TRACKS, BATCH, EPOCHS = 43, 7, 3


class Normalised(keras.layers.Layer):
    """Batch normalisation out of reach of `model.layers`."""

    def build(self, shape: Any) -> None:
        self.dense = keras.layers.Dense(8, use_bias=False)
        self.norm = keras.layers.BatchNormalization(momentum=0.9)
        self.dense.build(shape)
        self.norm.build((None, 8))

    def call(self, x: Any, training: bool | None = None) -> Any:
        return keras.ops.tanh(self.norm(self.dense(x), training=training))


keras.saving.register_keras_serializable("test")(Normalised)


class NormalisedToy(Toy):
    name = "normalised"

    def build(self, inputs: Any) -> Any:
        return Normalised()(keras.layers.Flatten()(inputs["wave"]))


def compiled() -> keras.Model:
    keras.utils.set_random_seed(7)
    fusion = {"name": "early", "dropout": 0.0}
    model = build_model([NormalisedToy()], fusion=fusion, task="regression")
    settings = TrainingConfig(max_learning_rate=0.01)
    model.compile(make_optimizer(settings, steps=30), "mse", weighted_metrics=["mae"])
    return model


def state(model: keras.Model) -> np.ndarray[Any, Any]:
    """All weights, batch statistics and the optimizer's moments, each scaled by its largest."""
    values = [v.numpy().ravel() for v in (*model.weights, *model.optimizer.variables)]
    return np.concatenate([v / max(np.abs(v).max(), 1e-3) for v in values])


def main() -> None:
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    distribution = Distribution.start(Worker())
    assert distribution.replicas == 2
    rows = np.arange(TRACKS)
    weights = np.linspace(0.5, 1.5, TRACKS, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        corpus = make_corpus(Path(folder) / "corpus", TRACKS, {3: "lacking", 9: "lacking"})
        extract_features(corpus, NormalisedToy(), jobs=1)
        stores = {"sound": FeatureStore.open(corpus, NormalisedToy())}
        batches = Batches(stores, rows, rows / 50, weights=weights, batch_size=BATCH, seed=1)
        one, shared = compiled(), compiled()
        replicated = distribution.replicate(shared)
        for epoch in range(EPOCHS):
            one.fit(dataset(batches.epoch(epoch)), shuffle=False, verbose=0)
            replicated.fit(batches.epoch(epoch))
    np.savez(sys.argv[1], one=state(one), two=state(shared))


if __name__ == "__main__":
    main()
