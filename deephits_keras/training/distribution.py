"""Training on several devices and machines with `tf.distribute`, with the weights of one device.

Keras 3.15's `fit` trains with `MirroredStrategy` but fails with `MultiWorkerMirroredStrategy` (its
authors don't support it: keras#20601), and gives unequal parts of a batch equal weight. So an epoch
here is Keras' `train_step`, run by the strategy on weighted parts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.pipeline.batches import Batches, Share, as_tf_dataset
from deephits_keras.runs.files import MODEL
from deephits_keras.training.cluster import Worker

LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)
"""Errors of a collective operation if another worker has stopped."""


class Distribution:
    """The devices and processes that train one model together.

    Args:
        worker: The worker of this process.
        strategy: Strategy of `tf.distribute`.
    """

    def __init__(self, worker: Worker, strategy: tf.distribute.Strategy) -> None:
        self.worker, self.strategy = worker, strategy

    @classmethod
    def start(cls, worker: Worker) -> Distribution:
        """Join the other workers, if any; use every GPU of this machine, or its CPU.

        Must be called before TensorFlow computes anything.

        Raises:
            UserError: with a backend other than TensorFlow, or an address that can't be used.
        """
        if keras.backend.backend() != "tensorflow":
            raise UserError("--distribute uses tf.distribute: set KERAS_BACKEND=tensorflow")
        if worker.count == 1:
            kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
            devices = [device.name for device in tf.config.list_logical_devices(kind)]
            return cls(worker, tf.distribute.MirroredStrategy(devices))
        try:
            return cls(worker, tf.distribute.MultiWorkerMirroredStrategy())
        except (tf.errors.OpError, RuntimeError) as error:
            raise UserError(f"TF_CONFIG: worker {worker.index} can't start: {error}") from error

    @property
    def replicas(self) -> int:
        """Total number of devices."""
        return int(self.strategy.num_replicas_in_sync)

    def replicate(self, model: keras.Model) -> ReplicatedModel:
        """Copy a compiled model to every device."""
        return ReplicatedModel(model, self)

    def wait(self) -> None:
        """Wait for all workers.

        Raises:
            DeepHitsError: if one has stopped.
        """
        if self.worker.count > 1:
            with self.together():
                self.strategy.reduce("SUM", self.strategy.run(lambda: tf.ones(())), axis=None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Convert errors of this block that mean that another worker has stopped.

        Raises:
            DeepHitsError: if another worker has stopped.
        """
        try:
            yield
        except LOST as error:
            raise DeepHitsError(
                f"Worker {self.worker.index} of {self.worker.count} (counted from 0) stopped "
                "because "
                "another one did: see its message. Finished epochs are kept: start every "
                "worker again, with --resume if the run was begun"
            ) from error


class ReplicatedModel:
    """Copies of a model on every device of a distribution.

    Batch normalisation uses statistics of the whole batch. Dropout is drawn separately on each
    device, so the loss curve equals that of one device only without dropout.

    Args:
        model: A compiled model; after each epoch it receives the weights and the optimizer's
            state.
        distribution: The devices.
    """

    def __init__(self, model: keras.Model, distribution: Distribution) -> None:
        self.model = model
        self.distribution = distribution
        model.optimizer.build(model.trainable_variables)
        with tempfile.TemporaryDirectory() as folder, distribution.strategy.scope():
            path = Path(folder) / MODEL
            model.save(path)
            self._replicas = keras.saving.load_model(path)
        # There is no public API for layers inside an encoder's layers.
        for layer in self._replicas._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        self._step: Any = None

    def fit(self, batches: Batches) -> dict[str, list[float]]:
        """Train for one epoch; all devices share each batch.

        Returns:
            The epoch's metrics, as those of `keras.Model.fit`.

        Raises:
            DeepHitsError: if another worker has stopped.
        """
        strategy, replicas = self.distribution.strategy, self._replicas
        with self.distribution.together():
            if self._step is None:
                self._step = self._traced(batches)
            replicas.reset_metrics()
            self._reseed(batches)
            iterator = iter(strategy.distribute_datasets_from_function(self._share_of(batches)))
            for _ in range(len(batches)):
                self._step(iterator)
            metrics = replicas.get_metrics_result()
            metrics = {name: [float(metrics[name])] for name in sorted(metrics)}
        for own, shared in (
            (self.model.weights, replicas.weights),
            (self.model.optimizer.variables, replicas.optimizer.variables),
        ):
            for variable, value in zip(own, shared, strict=True):
                variable.assign(value.numpy())
        return metrics

    def _traced(self, batches: Batches) -> Any:
        strategy, replicas = self.distribution.strategy, self._replicas
        # A metric creates variables on first use, which isn't possible in a traced function.
        example = next(iter(as_tf_dataset(Share(batches, range(1), self.distribution.replicas))))
        strategy.run(replicas.test_step, args=(example,))

        @tf.function  # type: ignore[untyped-decorator]
        def step(iterator: Any) -> None:
            strategy.run(replicas.train_step, args=(next(iterator),))

        return step

    def _share_of(self, batches: Batches) -> Any:
        def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
            here = self.distribution.replicas // context.num_input_pipelines
            first = context.input_pipeline_id * here
            share = Share(batches, range(first, first + here), self.distribution.replicas)
            # Avoids a synchronisation of the workers before each step of a finite dataset.
            return as_tf_dataset(share).repeat()

        return dataset

    def _reseed(self, batches: Batches) -> None:
        """Seed each device's dropout of an epoch by the seed, the epoch and the device."""
        strategy = self.distribution.strategy
        states = [v for v in self._replicas.variables if v.name == "seed_generator_state"]
        for number, state in enumerate(states):
            local = strategy.experimental_local_results(state.value)
            first = self.distribution.worker.index * len(local)
            for device, variable in enumerate(local, first):
                seeds = np.random.SeedSequence(
                    [batches.seed or 0, batches.epoch_number, device, number]
                )
                variable.assign(seeds.generate_state(2))
