"""Training steps of the full default model in Keras; prints examples a second.

python -m benchmarks.steps_keras --batch 64 --steps 10 [--source memory|store]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.corpora import noise_store
from deephits_keras import build_model
from deephits_keras.allocation import keep_freed_memory
from deephits_keras.corpus.pipeline import Batches, as_tf_dataset
from deephits_keras.registry import resolve_modalities
from deephits_keras.training.config import TrainingConfig
from deephits_keras.training.trainer import make_optimizer

TRACKS = 1024


def full_model(settings: TrainingConfig, steps: int) -> keras.Model:
    """The paper's model for ten tiers, compiled as training compiles it."""
    model = build_model(list(resolve_modalities("mel,lyrics,meta").values()), task="tiers-10")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(make_optimizer(settings, steps=steps), loss, jit_compile=settings.xla)
    return model


def one_batch(model: keras.Model, batch: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noise of the model's input shapes, every modality present."""
    draw = np.random.default_rng(0)
    inputs = {
        name: draw.standard_normal((batch, *tensor.shape[1:]), dtype=np.float32)
        for name, tensor in model.input.items()
    }
    present = {n: np.ones_like(v) if n.endswith("_present") else v for n, v in inputs.items()}
    return present, draw.integers(0, 10, batch)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--source", choices=("memory", "store"), default="memory")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--give-back", action="store_true", help="leave the allocator as it is")
    arguments = parser.parse_args()
    if not arguments.give_back:
        keep_freed_memory()
    keras.config.set_dtype_policy(arguments.precision)
    settings = TrainingConfig(max_learning_rate=0.001, xla=arguments.xla)
    model = full_model(settings, steps=10_000)
    inputs, targets = one_batch(model, arguments.batch)
    with tempfile.TemporaryDirectory() as name:
        data = _data(inputs, targets, arguments, Path(name))
        model.fit(data(2), epochs=1, verbose=0)
        began = time.perf_counter()
        model.fit(data(arguments.steps), epochs=1, verbose=0)
        print(arguments.batch * arguments.steps / (time.perf_counter() - began))


def _data(inputs: dict[str, np.ndarray], targets: np.ndarray, arguments: Any, folder: Path) -> Any:
    import tensorflow as tf

    held = tf.data.Dataset.from_tensors((inputs, targets)).cache()
    if arguments.source == "memory":
        return lambda steps: held.repeat(steps)
    store = noise_store(folder / "corpus", TRACKS)
    rows = np.random.default_rng(0).integers(0, TRACKS, 100 * arguments.batch)

    def from_store(steps: int) -> Any:
        batches = Batches(
            {"mel": store},
            rows[: steps * arguments.batch],
            np.zeros(steps * arguments.batch, np.int64),
            batch_size=arguments.batch,
            seed=0,
        )
        others = {name: value for name, value in inputs.items() if not name.startswith("mel_")}
        return as_tf_dataset(batches).map(lambda mel, target: ({**others, **mel}, target))

    return from_store


if __name__ == "__main__":
    main()
