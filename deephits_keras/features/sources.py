"""What a shard was extracted from, and whether that has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deephits_keras.features.shards import ShardRecord, Sources, digest_of
from deephits_keras.tracks import Track
from deephits_keras.utils.files import sha256


def digest_inputs(tracks: Sequence[Track]) -> str:
    """A digest of the tracks' ids, texts, fields and files' names, wherever the corpus lies.

    Args:
        tracks: Tracks of an encoder's declared inputs alone.
    """
    return digest_of(
        [
            [t.id, dict(t.texts), dict(t.fields), {n: p.name for n, p in t.files.items()}]
            for t in tracks
        ]
    )


def sources_of(tracks: Sequence[Track]) -> Sources:
    """Size, modification time and SHA-256 of each of the tracks' files, as they are now.

    A file that is to be extracted is read anyhow: from then on it is in the page cache.
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
    """How the tracks' inputs differ from those that a shard was extracted from.

    A file counts as the same if its size and its modification time are; if only the time differs,
    as in a copy, its content is read and compared. A file that is gone has not changed: nothing
    better could be extracted without it.

    Args:
        record: The shard.
        tracks: Its tracks, of the declared inputs alone.
        check_content: Read every file, whatever its time.

    Returns:
        What has changed, in words, or an empty text; and the record's `sources`, with the new
        times of files that are otherwise the same.
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
    """The file's state now, from that of before as far as it can be trusted."""
    try:
        status = path.stat()
    except OSError:
        return before
    if before is not None and before[0] != status.st_size:
        return None
    if before is not None and before[1] == status.st_mtime_ns and not check_content:
        return before
    return _source(path) or before
