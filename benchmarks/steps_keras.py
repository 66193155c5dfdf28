"""Training steps of the full default model in Keras; prints examples per second.

    python -m benchmarks.steps_keras --batch 64 --steps 10 [--source batch|device|memory|store]

`--source batch` repeats one batch; the others draw rows of a corpus of noise, held where training's
`--cache` would hold them. `--cost` prints what XLA says a step costs per example instead: FLOPs and
bytes that its compiled program reads and writes (JAX only).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.corpora import noise_store
from benchmarks.variants import VARIANTS
from deephits_keras import build_model, cpu
from deephits_keras.encoders.features import FeatureSpec
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.pipeline.batches import Batches, dataset, untuned
from deephits_keras.pipeline.cache import open_cache
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.trainer import make_optimizer


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


class Noise:
    """A small modality's features, drawn once, as a source of batches."""

    def __init__(self, specs: Sequence[FeatureSpec], tracks: int) -> None:
        draw = np.random.default_rng(0)
        self.specs, self.present = tuple(specs), np.ones(tracks, bool)
        self._held = {s.name: draw.random((tracks, *s.shape)).astype(s.dtype) for s in specs}

    def __len__(self) -> int:
        return len(self.present)

    def gather(self, rows: Any, *, where: Any = None) -> tuple[dict[str, np.ndarray], Any]:
        """As `FeatureStore.gather`."""
        return {name: values[rows] for name, values in self._held.items()}, self.present[rows]


def cost(model: keras.Model, batch: int) -> tuple[float, float]:
    """FLOPs and bytes of a step's loss and gradients, an example, as XLA counts them."""
    import jax

    inputs, targets = one_batch(model, batch)
    variables = [v.value for v in model.trainable_variables]
    others = [v.value for v in model.non_trainable_variables]

    def loss(values: Any, x: Any, y: Any) -> Any:
        outputs, _ = model.stateless_call(values, others, x, training=True)
        return model.loss(y, outputs)

    step = jax.jit(jax.value_and_grad(loss)).lower(variables, inputs, targets).compile()
    counted = step.cost_analysis()
    return counted["flops"] / batch, counted["bytes accessed"] / batch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--source", choices=("batch", "device", "memory", "store"), default="batch")
    parser.add_argument("--tracks", type=int, default=1024)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--xla", action="store_true")
    parser.add_argument("--give-back", action="store_true", help="leave the allocator as it is")
    parser.add_argument("--variant", choices=VARIANTS, help="how to build the audio branch")
    parser.add_argument("--cost", action="store_true")
    arguments = parser.parse_args()
    if not arguments.give_back:
        cpu.keep_freed_memory()
    keras.config.set_dtype_policy(arguments.precision)
    if arguments.variant:
        VARIANTS[arguments.variant]()
    settings = TrainingConfig(max_learning_rate=0.001, xla=arguments.xla)
    model = full_model(settings, steps=10_000)
    if arguments.cost:
        print(*cost(model, arguments.batch))
        return
    with tempfile.TemporaryDirectory() as name:
        fed, data = _data(model, arguments, Path(name))
        fed.fit(data(2), epochs=1, verbose=0, shuffle=False)
        began = time.perf_counter()
        fed.fit(data(arguments.steps), epochs=1, verbose=0, shuffle=False)
        print(arguments.batch * arguments.steps / (time.perf_counter() - began))


def _data(
    model: keras.Model, arguments: Any, folder: Path
) -> tuple[keras.Model, Callable[[int], Any]]:
    """The model as it takes the data, and so many steps of it."""
    if arguments.source == "batch":
        import tensorflow as tf

        held = tf.data.Dataset.from_tensors(one_batch(model, arguments.batch)).cache()
        return model, untuned(held).repeat
    tracks = arguments.tracks
    stores: dict[str, Any] = {"mel": noise_store(folder / "corpus", tracks)}
    for modality in ("lyrics", "meta"):
        [encoder] = resolve_modalities(modality).values()
        stores[modality] = Noise(encoder.feature_specs, tracks)
    kind = "none" if arguments.source == "store" else arguments.source
    cache = open_cache(kind, stores, range(tracks))
    rows = np.random.default_rng(0).integers(0, tracks, arguments.steps * arguments.batch)

    def steps(number: int) -> Any:
        chosen = rows[: number * arguments.batch]
        targets = np.zeros(len(chosen), np.int64)
        return dataset(Batches(cache.stores, chosen, targets, batch_size=arguments.batch, seed=0))

    return cache.feed(model), steps


if __name__ == "__main__":
    main()
