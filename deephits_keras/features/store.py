"""Features of a corpus, memory-mapped and gathered by row number."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.advice import extract_again
from deephits_keras.features.shards import (
    EarlierFormatError,
    ShardRecord,
    StoreLayout,
    damage,
    feature_file,
    in_threads,
    sidecar,
    store_folder,
)
from deephits_keras.types import BoolArray, IntArray

MAPPED_FILES = 256
"""Most files that are mapped at a time; each mapping needs a file descriptor."""

ALIGNMENT = 64
"""Alignment in bytes with which TensorFlow can use an array without copying it."""


class FeatureSource(Protocol):
    """A source of batches: a `FeatureStore`, or a cache of one."""

    specs: tuple[FeatureSpec, ...]
    present: BoolArray

    def gather(
        self, rows: Sequence[int] | IntArray, *, where: BoolArray | None = None
    ) -> tuple[Features, BoolArray]:
        """See `FeatureStore.gather`."""


class FeatureStore:
    """The features that an encoder extracted from a corpus, open for reading.

    Args:
        folder: The store's folder.
        layout: Its `store.json`.
        specs: The encoder's features.
        present: `(n,)` bool, which rows of the corpus have features.

    Attributes:
        present: See the argument.
        specs: See the argument.

    Example:
        >>> store = FeatureStore.open(corpus, encoder)
        >>> features, present = store.gather([7, 3, 3])
        >>> features["wave"].shape, present
        ((3, 4, 3), array([ True,  True,  True]))
    """

    def __init__(
        self, folder: Path, layout: StoreLayout, specs: Sequence[FeatureSpec], present: BoolArray
    ) -> None:
        self.folder = folder
        self.layout = layout
        self.specs = tuple(specs)
        self.present = present
        self._mapped = lru_cache(MAPPED_FILES)(self._map)

    @classmethod
    def open(cls, corpus: Corpus, encoder: AnyEncoder) -> Self:
        """Open a corpus's features, checking every shard against the corpus and its checksums.

        Checksums are computed once per process, on all cores: about one second per gigabyte and
        core if the files are in the page cache.

        Raises:
            UserError: if features are missing, or their tracks don't match the corpus.
            DeepHitsError: if a file is damaged; the message names it.
        """
        folder = store_folder(corpus, encoder)
        again = extract_again(corpus, encoder)
        if not (folder / "store.json").exists():
            raise UserError(
                f"{corpus.folder} has no features of {encoder.name} with these settings: {again}"
            )
        try:
            layout = StoreLayout.read(folder)
        except EarlierFormatError as error:
            raise UserError(f"{error}: {again}") from error
        ids = corpus.track_ids
        if layout.tracks != len(ids):
            raise UserError(
                f"The features in {folder} are of {layout.tracks} tracks, the corpus has "
                f"{len(ids)}: {again}"
            )

        def present_in(shard: int) -> BoolArray:
            rows = layout.rows(shard)
            try:
                record = ShardRecord.read(folder, shard)
            except DeepHitsError as error:
                raise DeepHitsError(f"{error}. To compute it again, {again}") from error
            if record is None:
                raise UserError(
                    f"The features of {encoder.name} aren't complete "
                    f"({sidecar(folder, shard)} is missing): {again}"
                )
            if record.track_ids != ids[rows.start : rows.stop]:
                raise UserError(
                    f"{sidecar(folder, shard)} is of other tracks than the corpus, which was "
                    f"imported again: {again}"
                )
            if reason := damage(folder, shard, record, encoder.feature_specs):
                raise DeepHitsError(f"{reason}. To compute it again, {again}")
            return record.present

        present = in_threads(present_in, range(layout.shards))
        return cls(folder, layout, encoder.feature_specs, np.concatenate(present))

    def __len__(self) -> int:
        """Number of rows, the corpus's number of tracks."""
        return self.layout.tracks

    def gather(
        self, rows: Sequence[int] | IntArray, *, where: BoolArray | None = None
    ) -> tuple[Features, BoolArray]:
        """Read the features of some rows.

        Args:
            rows: `(batch,)` row numbers, in any order and possibly repeated.
            where: `(batch,)` bool, which of them to read; the others are treated as missing.

        Returns:
            One array `(batch, *spec.shape)` with the spec's dtype per feature, in the order of
            `rows`; and `(batch,)` bool, False for tracks without features, which are zeros.

        Raises:
            IndexError: if the corpus has no such row.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"Rows must be from 0 to {len(self) - 1}")
        present = self.present[rows] if where is None else self.present[rows] & where
        features = {s.name: empty((len(rows), *s.shape), s.dtype) for s in self.specs}
        wanted = np.flatnonzero(present)
        shards, offsets = np.divmod(rows[wanted], self.layout.shard_size)
        for name, out in features.items():
            out[~present] = 0
            for position, shard, offset in zip(
                wanted.tolist(), shards.tolist(), offsets.tolist(), strict=True
            ):
                out[position] = self._mapped(shard, name)[offset]
        return features, present

    def _map(self, shard: int, feature: str) -> np.ndarray[Any, Any]:
        path = feature_file(self.folder, shard, feature)
        [spec] = [spec for spec in self.specs if spec.name == feature]
        wanted = (len(self.layout.rows(shard)), *spec.shape)
        header = _header(wanted, np.dtype(spec.dtype))
        try:
            with path.open("rb") as file:
                as_written = file.read(len(header)) == header
            array: np.ndarray[Any, Any] = (
                np.memmap(path, spec.dtype, "r", len(header), wanted)
                if as_written
                else np.load(path, mmap_mode="r", allow_pickle=False)
            )
        except (OSError, ValueError, EOFError) as error:
            raise DeepHitsError(f"{path} can't be read: {error}") from error
        if array.shape != wanted or array.dtype != np.dtype(spec.dtype):
            raise DeepHitsError(
                f"{path} holds {array.dtype} {array.shape}, not {spec.dtype} {wanted}"
            )
        return array


@lru_cache
def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of a `.npy` file, as `np.save` writes it.

    A file that begins with it is mapped without `np.load`, which parses the header as Python: in a
    thread of the pipeline, while TensorFlow parses functions in another one, Python up to 3.11.7
    then fails with "AST constructor recursion depth mismatch" (CPython issue 106905).
    """
    written = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(written, about)
    return written.getvalue()


def empty(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """An uninitialised array that TensorFlow can use without copying it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
