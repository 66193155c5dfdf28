"""One shard's extraction: what a worker, here or on a cluster, is given to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras import cpu
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.shards import ShardRecord, digest_of, write_shard
from deephits_keras.tracks import Track


def extract_shard(
    corpus_folder: Path, encoder: AnyEncoder, folder: Path, shard: int, rows: range
) -> int:
    """Extract one shard and write it: the unit of work that is handed to a worker.

    Args:
        corpus_folder: The corpus.
        encoder: The encoder.
        folder: Its store.
        shard: Which shard.
        rows: The shard's rows.

    Returns:
        The number of tracks.

    Raises:
        UserError: if the encoder's settings can't be used, or the store can't be written to.
        DeepHitsError: if the disk is full.
        MemoryError: if there is too little memory, which is no fault of a track's.
    """
    tracks = Corpus.open(corpus_folder).tracks(rows)
    arrays = {
        spec.name: np.zeros((len(rows), *spec.shape), spec.dtype) for spec in encoder.feature_specs
    }
    missing: list[int] = []
    failed: dict[str, str] = {}
    for row, result in zip(rows, _results(encoder, tracks), strict=True):
        if result is None:
            missing.append(row)
        elif isinstance(result, ExtractionError):
            failed[str(row)] = result.reason
        elif found := fault(encoder, result):
            failed[str(row)] = found
        else:
            for name, array in arrays.items():
                array[row - rows.start] = result[name]
    record = ShardRecord(
        start=rows.start,
        track_ids=[track.id for track in tracks],
        inputs=digest_inputs(tracks),
        files={},
        missing=missing,
        failed=failed,
    )
    write_shard(folder, shard, record, arrays)
    return len(rows)


def extract_shard_in_worker(
    corpus_folder: Path, encoder: AnyEncoder, folder: Path, shard: int, rows: range
) -> int:
    """`extract_shard` in a process of its own, which keeps what it frees.

    A track's arrays are of megabytes: without this the kernel clears 11 MB of pages for each, a
    sixth of the time (docs/performance.md).
    """
    cpu.keep_freed_memory()
    return extract_shard(corpus_folder, encoder, folder, shard, rows)


def _results(
    encoder: AnyEncoder, tracks: Sequence[Track]
) -> list[Features | ExtractionError | None]:
    """The encoder's result for each track; where it breaks down, tracks are tried one by one."""
    results: list[Features | ExtractionError | None] = []
    try:
        for result in encoder.extract_many(tracks):
            results.append(result)
    except Exception:
        return results + [_result_alone(encoder, track) for track in tracks[len(results) :]]
    if len(results) != len(tracks):
        return [_result_alone(encoder, track) for track in tracks]
    return results


def _result_alone(encoder: AnyEncoder, track: Track) -> Features | ExtractionError | None:
    try:
        results = list(encoder.extract_many([track]))
    except UserError:
        raise
    except ExtractionError as error:
        return error
    except MemoryError as error:
        raise MemoryError(f"track {track.id}: {error}") from error
    except Exception as error:
        return ExtractionError(
            track.id, f"{encoder.name} raised {type(error).__name__}: {error}".rstrip(": ")
        )
    if len(results) != 1:
        return ExtractionError(
            track.id, f"{encoder.name} gave {len(results)} results for one track"
        )
    return results[0]


def fault(encoder: AnyEncoder, features: Any) -> str:
    """How what an encoder's `extract` gave differs from its feature specs; empty if it doesn't."""
    if not isinstance(features, dict):
        return f"{encoder.name} gave {type(features).__name__} instead of a dict of features"
    wanted = {spec.name: spec for spec in encoder.feature_specs}
    if features.keys() != wanted.keys():
        return f"{encoder.name} gave the features {sorted(features)}, not {sorted(wanted)}"
    for name, spec in wanted.items():
        array = features[name]
        if not isinstance(array, np.ndarray):
            return f"{encoder.name}: feature {name!r} is {type(array).__name__}, not an array"
        if array.shape != spec.shape or array.dtype != spec.dtype:
            return (
                f"{encoder.name}: feature {name!r} is {array.dtype} {array.shape}, "
                f"not {spec.dtype} {spec.shape}"
            )
    return ""


def digest_inputs(tracks: Sequence[Track]) -> str:
    """A digest of the tracks' raw input, the same wherever the corpus lies.

    A recording counts by its name and size: reading them all would take as long as extraction.
    """
    return digest_of([[t.id, _name_and_size(t.audio), t.lyrics, dict(t.fields)] for t in tracks])


def _name_and_size(path: Path | None) -> tuple[str, int | None] | None:
    if path is None:
        return None
    try:
        return path.name, path.stat().st_size
    except OSError:
        return path.name, None
