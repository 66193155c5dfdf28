"""Location of features during training: in the store, in memory, or on the device.

All three give the same batches. In memory and on the device, features keep their stored dtype. On
the device, batches are gathered there: only row numbers and masks are transferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import psutil
from keras import ops

from deephits_keras.choices import CACHES
from deephits_keras.encoders.features import PRESENT, Features, FeatureSpec, input_dtype, input_name
from deephits_keras.errors import UserError
from deephits_keras.features.store import FeatureSource, FeatureStore, empty
from deephits_keras.types import Array, BoolArray, IntArray

ROW = "row"
ROWS_AT_A_TIME = 1024


@dataclass(frozen=True)
class Cache:
    """Features of a corpus, and the model that reads them.

    Attributes:
        stores: Sources of `Batches`, by modality.
        tables: Features on the device, by name of the model's input; empty if batches contain the
            features.
    """

    stores: Mapping[str, FeatureSource]
    tables: Mapping[str, Table] = field(default_factory=dict)

    def feed(self, model: keras.Model) -> keras.Model:
        """A model that takes this cache's batches: the model, or the model behind the tables.

        Both share weights and optimizer, so that training one trains the other.
        """
        if not self.tables:
            return model
        rows = {m: keras.Input((), dtype="int32", name=input_name(m, ROW)) for m in self.stores}
        masks = {
            name: keras.Input((1,), dtype="float32", name=name)
            for name in (input_name(modality, PRESENT) for modality in self.stores)
        }
        features = {name: table(rows[table.modality]) for name, table in self.tables.items()}
        inputs = {tensor.name: tensor for tensor in rows.values()} | masks
        fed = keras.Model(inputs, model(features | masks), name=f"{model.name}_by_row")
        if model.compiled:
            settings = keras.saving.deserialize_keras_object(model.get_compile_config())
            fed.compile(**{**settings, "optimizer": model.optimizer})
        return fed


def open_cache(
    kind: str, stores: Mapping[str, FeatureStore], rows: Sequence[int] | IntArray
) -> Cache:
    """Create a cache.

    Args:
        kind: `none` to read each batch from the store; `memory` to keep the rows in memory;
            `device` to keep them on the device of Keras' backend.
        stores: The feature store of each modality.
        rows: The rows that will be used.

    Raises:
        UserError: if they don't fit there, or `kind` is unknown.
    """
    if kind not in CACHES:
        raise UserError(f"The cache must be one of {', '.join(CACHES)}. Received: {kind!r}")
    if kind == "none":
        return Cache(stores)
    places = {modality: Places(store, rows) for modality, store in stores.items()}
    sizes = [places[m].count * _bytes_of(s.specs) for m, s in stores.items()]
    where = _device_kind() if kind == "device" else "memory"
    # On a CPU the largest modality is in memory twice while its table is created.
    needed = sum(sizes) + (max(sizes) if kind == "device" and where == "memory" else 0)
    free = _free_bytes(where)
    advice = f"train with --cache {'memory or none' if kind == 'device' else 'none'}"
    if free is not None and needed > free:
        raise UserError(
            f"--cache {kind} needs {_gigabytes(needed)} for {len(np.unique(rows))} tracks, and "
            f"{_gigabytes(free)} are free: {advice}"
        )
    held: dict[str, FeatureSource] = {}
    tables: dict[str, Table] = {}
    for modality, store in stores.items():
        features = places[modality].read(store)
        if kind == "memory":
            held[modality] = MemoryStore(store.specs, places[modality], features)
            continue
        held[modality] = RowStore(places[modality])
        for spec in store.specs:
            values, name = features.pop(spec.name), input_name(modality, spec.name)
            try:
                tables[name] = Table(modality, values, input_dtype(spec))
            except Exception as error:
                # Each backend raises another error, and TensorFlow doesn't report free GPU memory.
                raise UserError(
                    f"--cache device: {_gigabytes(needed)} of features couldn't be put on the "
                    f"device ({type(error).__name__}): {advice}"
                ) from error
    return Cache(held, tables)


class Places:
    """Position of each row in the cache; the last position is zeros, for missing features.

    Args:
        store: A modality's features.
        rows: The rows to cache.

    Attributes:
        present: `(n,)` bool, which rows of the corpus have features.
        count: Number of positions.
    """

    def __init__(self, store: FeatureStore, rows: Sequence[int] | IntArray) -> None:
        self.present = store.present
        rows = np.unique(np.asarray(rows, dtype=np.int64))
        self._rows = rows[store.present[rows]]
        self.count = len(self._rows) + 1
        self._places = np.full(len(store), -1, np.int32)
        self._places[self._rows] = np.arange(len(self._rows))

    def of(
        self, rows: Sequence[int] | IntArray, where: BoolArray | None = None
    ) -> tuple[IntArray, BoolArray]:
        """Positions `(batch,)` int32 of some rows, and which of them have features (if `where`).

        Raises:
            IndexError: if a row with features isn't cached.
        """
        rows = np.asarray(rows, dtype=np.int64)
        present = self.present[rows] if where is None else self.present[rows] & where
        places = np.where(present, self._places[rows], self.count - 1).astype(np.int32)
        if (places < 0).any():
            raise IndexError(f"Row {rows[places < 0][0]} is not in the cache")
        return places, present

    def read(self, store: FeatureStore) -> Features:
        """The features by position: `(count, *shape)` in the store's dtype."""
        features = {s.name: np.zeros((self.count, *s.shape), s.dtype) for s in store.specs}
        for start in range(0, len(self._rows), ROWS_AT_A_TIME):
            part = self._rows[start : start + ROWS_AT_A_TIME]
            for name, values in store.gather(part)[0].items():
                features[name][start : start + len(part)] = values
        return features


class MemoryStore:
    """Features in memory, read like those of a `FeatureStore`.

    Args:
        specs: The features.
        places: Position of each row.
        features: `(places, *shape)` per feature.
    """

    def __init__(self, specs: Sequence[FeatureSpec], places: Places, features: Features) -> None:
        self.specs, self.present = tuple(specs), places.present
        self._places, self._features = places, features

    def gather(
        self, rows: Sequence[int] | IntArray, *, where: BoolArray | None = None
    ) -> tuple[Features, BoolArray]:
        """As `FeatureStore.gather`."""
        places, present = self._places.of(rows, where)
        gathered: Features = {}
        for name, values in self._features.items():
            gathered[name] = empty((len(places), *values.shape[1:]), values.dtype.name)
            # The positions are valid; another check would make a copy.
            np.take(values, places, axis=0, out=gathered[name], mode="clip")
        return gathered, present


class RowStore:
    """Positions of rows instead of features, for a model whose features are on the device.

    Args:
        places: Position of each row.
    """

    specs: tuple[FeatureSpec, ...] = (FeatureSpec(ROW, (), "int32"),)

    def __init__(self, places: Places) -> None:
        self.present = places.present
        self._places = places

    def gather(
        self, rows: Sequence[int] | IntArray, *, where: BoolArray | None = None
    ) -> tuple[Features, BoolArray]:
        """As `FeatureStore.gather`; the only feature is the position, `(batch,)` int32."""
        places, present = self._places.of(rows, where)
        return {ROW: places}, present


class Table(keras.layers.Layer):  # type: ignore[misc]
    """A feature of every row, on the device.

    Args:
        modality: Modality of the feature.
        values: `(places, *shape)`.
        output_dtype: Dtype of the model's input.
    """

    def __init__(self, modality: str, values: Array, output_dtype: str) -> None:
        super().__init__(dtype=output_dtype)
        self.modality = modality
        # Autocasting would cast the whole table for every batch.
        self.values = keras.Variable(
            values, dtype=values.dtype.name, trainable=False, autocast=False, name="table"
        )

    def call(self, rows: Any) -> Any:
        """`(batch,)` positions to `(batch, *shape)` features."""
        return ops.cast(ops.take(self.values, rows, axis=0), self.compute_dtype)


def _bytes_of(specs: Sequence[FeatureSpec]) -> int:
    return sum(int(np.prod(s.shape)) * np.dtype(s.dtype).itemsize for s in specs)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def _device_kind() -> str:
    """Name of a device's memory: `memory` for a CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return "tensorflow" if tf.config.list_physical_devices("GPU") else "memory"
    if backend == "jax":
        import jax

        return "memory" if jax.default_backend() == "cpu" else "jax"
    import torch

    return "torch" if torch.cuda.is_available() else "memory"


def _free_bytes(where: str) -> int | None:
    """Free memory in bytes; None if the backend doesn't report it (TensorFlow on GPU)."""
    if where == "memory":
        return int(psutil.virtual_memory().available)
    if where == "jax":
        import jax

        stats = jax.local_devices()[0].memory_stats() or {}
        return int(stats["bytes_limit"] - stats["bytes_in_use"]) if "bytes_limit" in stats else None
    if where == "torch":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    return None
