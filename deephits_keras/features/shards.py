"""Features on disk: `.npy` shards, each with a record of its content.

    features/<encoder>/<fingerprint>/
        store.json                  encoder, settings, features and shard size
        part-00000.<feature>.npy    the shard's rows of one feature, zeros where missing
        part-00000.json             track ids, checksums, missing and failed rows
        rejected.csv                every failed track with the reason

A shard's sidecar (the JSON file) is written after its arrays, so a shard without one doesn't
exist. If no track of a shard has the modality, there is only the sidecar.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.inputs import Input, inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.types import BoolArray
from deephits_keras.utils.files import read_json, remembered_sha256, replacing, sha256, write_json
from deephits_keras.utils.records import from_plain

T = TypeVar("T")

Sources = dict[str, list[list[Any] | None]]
"""See `ShardRecord.sources`."""

SHARD_SIZE = 128
"""Tracks per shard. Constant, so that a store's bytes don't depend on the machine."""

FORMAT = 2
"""Format of stores whose shards depend on the declared inputs only (1: on whole rows)."""


class EarlierFormatError(UserError):
    """A store has an earlier format that is no longer supported."""


@dataclass(frozen=True)
class StoreLayout:
    """Content of `store.json`.

    Attributes:
        encoder: The encoder's name.
        version: Its version.
        config: The settings that its features depend on.
        fingerprint: Its fingerprint.
        features: Shape of one track and dtype of each feature, by name.
        inputs: Kind of each input that the encoder declares, by name; None if it declares none
            and may read anything.
        shard_size: Tracks per shard.
        tracks: Tracks in the corpus.
        format: Version of this layout.
    """

    encoder: str
    version: str
    config: dict[str, Any]
    fingerprint: str
    features: dict[str, dict[str, Any]]
    inputs: dict[str, str] | None
    shard_size: int
    tracks: int
    format: int = FORMAT

    @classmethod
    def from_encoder(cls, corpus: Corpus, encoder: AnyEncoder, shard_size: int) -> Self:
        """The layout of a new store."""
        inputs = inputs_of(encoder)
        return cls(
            encoder=encoder.name,
            version=encoder.version,
            config=encoder.fingerprint_config(),
            fingerprint=encoder.fingerprint(),
            features={
                s.name: {"shape": list(s.shape), "dtype": s.dtype} for s in encoder.feature_specs
            },
            inputs=None if inputs is None else {each.name: each.kind for each in inputs},
            shard_size=shard_size,
            tracks=len(corpus),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `store.json`.

        Raises:
            EarlierFormatError: if an earlier version of this package wrote it.
            UserError: if it is missing or doesn't have this format.
        """
        path = folder / "store.json"
        try:
            values = read_json(path, "a feature store")
            if isinstance(values, dict) and values.get("format") in range(1, FORMAT):
                raise EarlierFormatError(
                    f"{path} was written by an earlier version of deephits-keras, which didn't "
                    "record what each feature was extracted from"
                )
            layout = from_plain(values, cls, f"{path} is damaged")
            layout.specs()
            layout.declared()
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"{path} is damaged: {error!r}") from error
        if layout.format != FORMAT:
            raise UserError(f"{path} is of format {layout.format}, not {FORMAT}")
        for count in (layout.shard_size, layout.tracks):
            if count < 1:
                raise UserError(f"{path} is damaged: {count!r} is no number of tracks")
        return layout

    def specs(self) -> tuple[FeatureSpec, ...]:
        """The features that it describes."""
        return tuple(
            FeatureSpec(name, tuple(spec["shape"]), str(np.dtype(spec["dtype"])))
            for name, spec in self.features.items()
        )

    def declared(self) -> tuple[Input, ...] | None:
        """The inputs that its features depend on; None for all inputs of a track."""
        if self.inputs is None:
            return None
        return tuple(Input(name, kind) for name, kind in self.inputs.items())  # type: ignore[arg-type]

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.tracks // self.shard_size)

    def rows(self, shard: int) -> range:
        """The corpus's rows in a shard."""
        start = shard * self.shard_size
        return range(start, min(start + self.shard_size, self.tracks))


@dataclass(frozen=True)
class ShardRecord:
    """Record of a shard, stored as its sidecar.

    Attributes:
        start: Its first row.
        track_ids: Ids of its tracks, in order of rows.
        inputs: Digest of the texts and fields that it was extracted from (`sources.digest_inputs`).
        sources: Size, modification time (ns) and SHA-256 of each input file: per input name, a
            list in the order of the tracks, with None for a missing file.
        files: SHA-256, shape and dtype of each feature's file; empty if no track has any.
        missing: Rows that lack the modality.
        failed: Reason of each row whose input can't be used, by row.
    """

    start: int
    track_ids: list[str]
    inputs: str
    sources: Sources
    files: dict[str, dict[str, Any]]
    missing: list[int]
    failed: dict[str, str]

    @classmethod
    def read(cls, folder: Path, shard: int) -> Self | None:
        """Read a shard's sidecar, or return None if it is missing.

        Raises:
            DeepHitsError: if it is damaged.
        """
        path = sidecar(folder, shard)
        if not path.exists():
            return None
        values = read_json(path, "a shard's record")
        if not isinstance(values, dict) or values.pop("sha256", "") != digest_of(values):
            raise DeepHitsError(f"{path} is damaged: its content doesn't match its checksum")
        return from_plain(values, cls, f"{path} is not a shard's record")

    def write(self, folder: Path, shard: int) -> None:
        """Write the sidecar with its own checksum."""
        values = dataclasses.asdict(self)
        write_json(sidecar(folder, shard), {**values, "sha256": digest_of(values)})

    @property
    def failures(self) -> list[tuple[int, str, str]]:
        """Row, track id and reason of each track that failed."""
        return [(int(r), self.track_ids[int(r) - self.start], w) for r, w in self.failed.items()]

    @property
    def present(self) -> BoolArray:
        """`(tracks,)` which of its tracks have features."""
        present = np.ones(len(self.track_ids), dtype=bool)
        for row in (*self.missing, *map(int, self.failed)):
            present[row - self.start] = False
        return present


def digest_of(values: Any) -> str:
    """SHA-256 of values in JSON; other values are converted to text."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sidecar(folder: Path, shard: int) -> Path:
    """Path of a shard's record."""
    return folder / f"part-{shard:05d}.json"


def feature_file(folder: Path, shard: int, feature: str) -> Path:
    """Path of a feature of a shard."""
    return folder / f"part-{shard:05d}.{feature}.npy"


def store_folder(corpus: Corpus, encoder: AnyEncoder) -> Path:
    """Folder of an encoder's feature store in a corpus."""
    return corpus.features_folder / encoder.name / encoder.fingerprint()


def write_shard(folder: Path, shard: int, record: ShardRecord, arrays: Features) -> None:
    """Write a shard atomically.

    Args:
        folder: The store.
        shard: Number of the shard.
        record: Its record, without `files`.
        arrays: One array `(tracks, *shape)` per feature.

    Raises:
        UserError: if the store can't be written to.
        DeepHitsError: if the disk is full.
    """
    files: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items() if record.present.any() else ():
        path = feature_file(folder, shard, name)
        with replacing(path) as temporary:
            np.save(temporary, array, allow_pickle=False)
            digest = sha256(temporary)
        files[name] = {"sha256": digest, "shape": list(array.shape), "dtype": str(array.dtype)}
    dataclasses.replace(record, files=files).write(folder, shard)


def damage(
    folder: Path,
    shard: int,
    record: ShardRecord,
    specs: Sequence[FeatureSpec],
    *,
    anew: bool = False,
) -> str | None:
    """What is wrong with a shard's files, with the file name; None if they match the record.

    Args:
        folder: The store.
        shard: Number of the shard.
        record: Its record.
        specs: The encoder's features.
        anew: Read every file, even if this process read it before and it seems unchanged.
    """
    if not record.present.any():
        return None
    for spec in specs:
        path = feature_file(folder, shard, spec.name)
        shape = [len(record.track_ids), *spec.shape]
        recorded = record.files.get(spec.name, {})
        if recorded.get("shape") != shape or recorded.get("dtype") != str(np.dtype(spec.dtype)):
            return f"{sidecar(folder, shard)} doesn't record {spec.dtype} {shape} for {spec.name}"
        try:
            digest = sha256(path) if anew else remembered_sha256(path)
        except OSError as error:
            return f"{path} can't be read: {error.strerror}"
        if digest != recorded.get("sha256"):
            return f"{path} is damaged: its content doesn't match its checksum"
    return None


def in_threads(function: Callable[[int], T], items: Iterable[int]) -> list[T]:
    """Map a function over items on threads; for work that releases the GIL (hashing, reading)."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))
