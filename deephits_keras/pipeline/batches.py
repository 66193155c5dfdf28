"""From row numbers to batches of features, targets and masks, with reproducible shuffling.

A batch is gathered from memory-mapped shards on request, so memory doesn't depend on the corpus's
size, and a split, fold or subset is a list of rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from deephits_keras.encoders.features import POPULARITY, PRESENT, Features, input_dtype, input_name
from deephits_keras.features.store import FeatureSource, FeatureStore
from deephits_keras.pipeline.calls import counted
from deephits_keras.types import Array, BoolArray, FloatArray, IntArray

WeightedBatch = tuple[Features, Array, FloatArray]
Batch = tuple[Features, Array] | WeightedBatch

PREFETCHED_BATCHES = 2
"""Prefetched batches: one is gathered during a training step; more would only use memory."""

WORKERS = 2
"""Batches made in parallel: one is read while another is cast (docs/performance.md)."""


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of one epoch: a sequence whose batches are made on request.

    A batch's content depends only on the arguments and the epoch, so that a training resumed in
    epoch `k` gets the same batches as an uninterrupted one.

    Attributes:
        stores: The feature store of each modality, or its cache.
        rows: `(n,)` rows of the corpus.
        targets: `(n, ...)` targets, aligned with `rows`.
        batch_size: Tracks per batch; the last batch may be smaller.
        weights: `(n,)` sample weights, or None.
        seed: Seed of the order and of modality dropout; None keeps the order of `rows`.
        modality_dropout: Probability with which each modality of each track is hidden, drawn
            independently; a track always keeps at least one.
        drop_remainder: Whether to drop a smaller last batch.
        epoch_number: Epoch, from 0; each has its own order.

    Example:
        >>> batches = Batches(stores, rows, targets, batch_size=8, seed=0)
        >>> len(batches), len(batches[1][1])
        (2, 4)
        >>> for epoch in range(3):  # doctest: +SKIP
        ...     model.fit(dataset(batches.epoch(epoch)), shuffle=False)
    """

    stores: Mapping[str, FeatureSource]
    rows: IntArray
    targets: Array
    _: KW_ONLY
    batch_size: int = 256
    weights: FloatArray | None = None
    seed: int | None = None
    modality_dropout: float = 0.0
    drop_remainder: bool = False
    epoch_number: int = 0

    def __post_init__(self) -> None:
        aligned = {"targets": self.targets, "weights": self.weights}
        for name, values in aligned.items():
            if values is not None and len(values) != len(self.rows):
                raise ValueError(
                    f"`{name}` must have a value for each row. "
                    f"Received: {len(values)} for {len(self.rows)} rows"
                )
        if self.batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: {self.batch_size}")
        if not 0 <= self.modality_dropout < 1 or (self.modality_dropout and self.seed is None):
            raise ValueError(
                "`modality_dropout` must be from 0 to below 1, with a `seed`. "
                f"Received: modality_dropout={self.modality_dropout}, seed={self.seed}"
            )

    def epoch(self, number: int) -> Batches:
        """The batches of another epoch, from 0."""
        return dataclasses.replace(self, epoch_number=number)

    def __len__(self) -> int:
        """Number of batches."""
        whole, rest = divmod(len(self.rows), self.batch_size)
        return whole + (rest > 0 and not self.drop_remainder)

    def __getitem__(self, index: int) -> Batch:
        """Make a batch.

        Returns:
            Inputs by name: `{modality}_{feature}` `(batch, *shape)` float32 or int32, and
            `{modality}_present` `(batch, 1)` float32; then the targets, and the weights if given.
            A missing modality has zeros and the mask 0.
        """
        inputs, *rest = self.stored(index)
        dtypes = self.input_dtypes
        return ({name: a.astype(dtypes[name], copy=False) for name, a in inputs.items()}, *rest)  # type: ignore[return-value]

    def stored(self, index: int, places: slice = slice(None)) -> Batch:
        """A batch like `self[index]`, with features in their stored dtypes.

        Args:
            index: Number of the batch.
            places: Positions of the wanted tracks in it.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches. Received: {index}")
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        masks = {m: mask[places] for m, mask in self._masks(index, chosen).items()}
        chosen = chosen[places]
        inputs: Features = {}
        for modality, store in self.stores.items():
            features, _ = store.gather(self.rows[chosen], where=masks[modality])
            inputs |= {input_name(modality, name): array for name, array in features.items()}
            inputs[input_name(modality, PRESENT)] = masks[modality].astype(np.float32)[:, None]
        if self.weights is None:
            return inputs, self.targets[chosen]
        return inputs, self.targets[chosen], self.weights[chosen]

    @property
    def empty(self) -> Batch:
        """An empty batch, for names, shapes and dtypes."""
        return self.stored(0, slice(0))

    @cached_property
    def _order(self) -> IntArray:
        if self.seed is None:
            return np.arange(len(self.rows))
        return np.random.default_rng([self.seed, self.epoch_number]).permutation(len(self.rows))

    @cached_property
    def input_dtypes(self) -> dict[str, str]:
        """Dtype of each of the model's inputs, in the order of a batch's."""
        dtypes: dict[str, str] = {}
        for modality, store in self.stores.items():
            dtypes |= {input_name(modality, spec.name): input_dtype(spec) for spec in store.specs}
            dtypes[input_name(modality, PRESENT)] = "float32"
        return dtypes

    def _masks(self, index: int, chosen: IntArray) -> dict[str, BoolArray]:
        """Mask of each modality for the tracks of a batch."""
        present = np.stack([s.present[self.rows[chosen]] for s in self.stores.values()])
        if self.modality_dropout:
            random = np.random.default_rng([self.seed or 0, self.epoch_number, index])
            draws = np.where(present, random.random(present.shape), -1.0)
            luckiest = np.arange(len(present))[:, None] == draws.argmax(axis=0)
            present &= (draws >= self.modality_dropout) | luckiest
        return dict(zip(self.stores, present, strict=True))


@dataclass(frozen=True, eq=False)
class Share:
    """The parts of each batch for some of the devices that share it: one per device and step.

    Sizes of parts differ by at most one track, and parts are weighted by size, so that the mean
    over devices of the mean loss is that of the batch. A batch with fewer tracks than devices is
    given whole to each device.

    Attributes:
        batches: The batches of all devices together.
        devices: Numbers of the devices of this share.
        count: Total number of devices.
    """

    batches: Batches
    devices: range
    count: int

    @property
    def input_dtypes(self) -> dict[str, str]:
        """As `Batches.input_dtypes`."""
        return self.batches.input_dtypes

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.batches) * len(self.devices)

    @property
    def empty(self) -> WeightedBatch:
        """As `Batches.empty`, with weights."""
        inputs, targets, *_ = self.batches.empty
        return inputs, targets, np.zeros(0, "float32")

    def stored(self, index: int) -> WeightedBatch:
        """A part, with weights: device by device, then step by step."""
        step, place = divmod(index, len(self.devices))
        tracks = min(
            self.batches.batch_size, len(self.batches.rows) - step * self.batches.batch_size
        )
        device, count = (self.devices[place], self.count) if tracks >= self.count else (0, 1)
        part = slice(tracks * device // count, tracks * (device + 1) // count)
        inputs, targets, *weights = self.batches.stored(step, part)
        share = np.float32(len(targets) * count / tracks)
        return (
            inputs,
            targets,
            share * (weights[0] if weights else np.ones(len(targets), "float32")),
        )


def dataset(batches: Batches) -> Any:
    """One epoch of batches in the form that the current Keras backend reads fastest.

    Pass it to `model.fit(..., shuffle=False)`, `evaluate` or `predict`.

    Returns:
        A `tf.data.Dataset` with TensorFlow, a `keras.utils.PyDataset` with another backend. Both
        hold the same batches in the same order.
    """
    if keras.backend.backend() == "tensorflow":
        return as_tf_dataset(batches)
    return as_pydataset(batches)


def as_tf_dataset(batches: Batches | Share) -> Any:
    """One epoch of batches as a `tf.data.Dataset`, prefetched.

    Features are passed to TensorFlow in their stored dtype and cast there, five times as fast as
    casting float16 in NumPy.
    """
    import tensorflow as tf

    @counted
    def flat(index: int) -> list[Array]:
        inputs, *rest = batches.stored(index)
        return [*inputs.values(), *rest]

    inputs, *rest = batches.empty
    names = list(inputs)
    examples = [*inputs.values(), *rest]

    # Nothing in it depends on a tensor's value, and looking for that is most of the tracing.
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def load(index: Any) -> Any:
        arrays = tf.numpy_function(flat, [index], [a.dtype for a in examples])
        for array, example in zip(arrays, examples, strict=True):
            array.set_shape((None, *example.shape[1:]))
        dtypes = batches.input_dtypes
        ready = {name: tf.cast(a, dtypes[name]) for name, a in zip(names, arrays, strict=False)}
        return (ready, *arrays[len(names) :])

    loaded = tf.data.Dataset.range(len(batches)).map(load, num_parallel_calls=WORKERS)
    return untuned(loaded.prefetch(PREFETCHED_BATCHES))


def untuned(data: Any) -> Any:
    """Disable autotuning of a `tf.data.Dataset` that has nothing to tune.

    The tuner runs at increasing intervals (10 ms, doubled each time), and the end of an epoch may
    wait for it: 5 s of steps took 10.2 s (docs/performance.md).
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def as_pydataset(batches: Batches) -> keras.utils.PyDataset:
    """One epoch of batches as a `keras.utils.PyDataset`, which needs no TensorFlow."""
    return _BatchDataset(batches)


class _BatchDataset(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, batches: Batches) -> None:
        super().__init__(workers=WORKERS, max_queue_size=PREFETCHED_BATCHES)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]


def training_features(
    store: FeatureStore,
    rows: Sequence[int] | IntArray,
    batch_size: int = 256,
    popularity: FloatArray | None = None,
) -> Iterator[Features]:
    """The features of the rows that have them, for `ModalityEncoder.adapt`.

    Args:
        store: The encoder's features.
        rows: The training rows.
        batch_size: Tracks per batch.
        popularity: Popularity of every track of the corpus, for encoders with `learns_popularity`.

    Yields:
        One array `(batch, *shape)` per feature, in the model's input dtype; and `popularity`.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    rows = rows[store.present[rows]]
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        features, _ = store.gather(batch)
        learned = {} if popularity is None else {POPULARITY: popularity[batch]}
        yield learned | {
            s.name: features[s.name].astype(input_dtype(s), copy=False) for s in store.specs
        }
