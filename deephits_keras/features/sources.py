"""The inputs that a shard was extracted from, and whether they have changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deephits_keras.features.shards import ShardRecord, Sources, digest_of
from deephits_keras.tracks import Track
from deephits_keras.utils.files import sha256


def digest_inputs(tracks: Sequence[Track]) -> str:
    """A digest of the tracks' ids, texts, fields and file names, independent of the corpus's path.

    Args:
        tracks: Tracks, reduced to the encoder's declared inputs.
    """
    return digest_of(
        [
            [t.id, dict(t.texts), dict(t.fields), {n: p.name for n, p in t.files.items()}]
            for t in tracks
        ]
    )


def sources_of(tracks: Sequence[Track]) -> Sources:
    """Current size, modification time and SHA-256 of each file of the tracks.

    Hashing costs little: the file is read for extraction anyway, then from the page cache.
    """
    names = sorted({name for track in tracks for name in track.files})
    return {name: [_source(track.files.get(name)) for track in tracks] for name in names}


def _source(path: Path | None) -> list[Any] | None:
    if path is None:
        return None
    try:
        status = path.stat()
        return [status.st_size, status.st_mtime_ns, sha256(path)]
    except OSError:
        return None


def changed_inputs(
    record: ShardRecord, tracks: Sequence[Track], *, check_content: bool = False
) -> tuple[str, Sources]:
    """Whether and how the tracks' inputs differ from those that a shard was extracted from.

    A file with equal size and modification time counts as unchanged; if only the time differs, as
    for a copy, its content is compared. A missing file counts as unchanged, as it couldn't be
    extracted again.

    Args:
        record: The shard.
        tracks: Its tracks, reduced to the declared inputs.
        check_content: Read every file, regardless of its time.

    Returns:
        A description of the change, or an empty text; and the record's `sources` with the current
        times of unchanged files.
    """
    if record.inputs != digest_inputs(tracks):
        return "its tracks, or their texts or fields, have changed since", record.sources
    sources: Sources = {}
    for name in sorted({name for track in tracks for name in track.files}):
        known = record.sources.get(name, [None] * len(tracks))
        sources[name] = []
        for track, before in zip(tracks, known, strict=True):
            path = track.files.get(name)
            now = _as_before(path, before, check_content) if path is not None else before
            if now != before and (now is None or before is None or now[2] != before[2]):
                return f"track {track.id}: {name} has changed since: {path}", record.sources
            sources[name].append(now)
    return "", sources


def _as_before(path: Path, before: list[Any] | None, check_content: bool) -> list[Any] | None:
    """Current state of a file; the stored hash is reused if size and time are equal."""
    try:
        status = path.stat()
    except OSError:
        return before
    if before is not None and before[0] != status.st_size:
        return None
    if before is not None and before[1] == status.st_mtime_ns and not check_content:
        return before
    return _source(path) or before
