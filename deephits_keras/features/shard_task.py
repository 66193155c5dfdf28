"""Extraction of one shard, the task of a worker on this machine or on a cluster."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deephits_keras import cpu
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.inputs import inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.outcomes import outcomes
from deephits_keras.features.shards import ShardRecord, write_shard
from deephits_keras.features.sources import digest_inputs, sources_of


def extract_shard(
    corpus_folder: Path, encoder: AnyEncoder, folder: Path, shard: int, rows: range
) -> int:
    """Extract one shard and write it: the task of one worker.

    Args:
        corpus_folder: The corpus.
        encoder: The encoder.
        folder: Its feature store.
        shard: Number of the shard.
        rows: The shard's rows.

    Returns:
        The number of tracks.

    Raises:
        UserError: if the encoder's settings can't be used, or the store can't be written to.
        DeepHitsError: if the disk is full.
        MemoryError: if memory runs out, which isn't an error of a track.
    """
    tracks = Corpus.open(corpus_folder).tracks(rows, inputs_of(encoder))
    arrays = {
        spec.name: np.zeros((len(rows), *spec.shape), spec.dtype) for spec in encoder.feature_specs
    }
    # Read before extraction, so that a file replaced during it is noticed by its time.
    sources = sources_of(tracks)
    missing: list[int] = []
    failed: dict[str, str] = {}
    for row, result in zip(rows, outcomes(encoder, tracks), strict=True):
        if result is None:
            missing.append(row)
        elif isinstance(result, ExtractionError):
            failed[str(row)] = result.reason
        else:
            for name, array in arrays.items():
                array[row - rows.start] = result[name]
    record = ShardRecord(
        start=rows.start,
        track_ids=[track.id for track in tracks],
        inputs=digest_inputs(tracks),
        sources=sources,
        files={},
        missing=missing,
        failed=failed,
    )
    write_shard(folder, shard, record, arrays)
    return len(rows)


def extract_shard_in_worker(
    corpus_folder: Path, encoder: AnyEncoder, folder: Path, shard: int, rows: range
) -> int:
    """Run `extract_shard` in a worker process that keeps freed memory.

    A track's arrays take megabytes: otherwise the kernel clears 11 MB of pages per track, a sixth
    of the time (docs/performance.md).
    """
    cpu.keep_freed_memory()
    return extract_shard(corpus_folder, encoder, folder, shard, rows)
