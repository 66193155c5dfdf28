"""The first decoder: libsndfile, through soundfile."""

from __future__ import annotations

import contextlib
import io
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from deephits_keras.audio.kinds import HEAD, MP3, OGG, Kind, kind_of
from deephits_keras.audio.mp3 import Content, Mp3, index_mp3
from deephits_keras.audio.recording import (
    BLOCK,
    MOST_SAMPLES,
    Decoded,
    Recording,
    Samples,
    UndecodableError,
    clock,
    ends_early,
)

MAPPED_FROM = 2**26
"""File size in bytes from which an MP3 is memory-mapped: slower, but needs less memory."""

RUN_UP_SECONDS, OPUS_RUN_UP_SECONDS = 0.25, 2.0
"""Seconds decoded before a segment, so that the codec's state has settled.

Measured: Opus at low rates, which predicts from what it has decoded, is within 1e-6 after a second.
"""

SMALL_BLOCK = 4096
"""Block length in samples for possibly damaged files; a damaged block is lost."""

FIRST_PAGE = b"OggS\0\2"
"""Beginning of the first page of an Ogg stream."""

PAGE_AND_MORE = 2**17
"""Bytes at the end of an Ogg file that contain the last page (at most 65,307 bytes)."""


def open_with_soundfile(source: Path | bytes, name: str) -> Recording:
    """Open a recording with libsndfile; an MP3 is indexed by its frame headers.

    Args:
        source: A file, or its bytes.
        name: Name of the recording in messages.

    Raises:
        UndecodableError: if libsndfile can't read it.
    """
    head = source[:HEAD] if isinstance(source, bytes) else _head(source)
    kind = kind_of(head)
    if kind in (None, MP3):
        content, closing = _content(source)
        with contextlib.ExitStack() as undo:
            undo.callback(closing.close)
            if (index := index_mp3(content)) is not None:
                undo.pop_all()
                return Mp3Recording(content, index, name, closing)
    try:
        opened = _Sequential(io.BytesIO(source) if isinstance(source, bytes) else str(source))
    except soundfile.SoundFileError as error:
        raise UndecodableError(f"{name} can't be decoded: {_reason(error)}") from error
    with contextlib.ExitStack() as undo:
        undo.callback(opened.close)
        _refuse_raw(opened, name)
        tail = _tail(source) if kind is OGG else b""
        if kind is OGG and (_is_chained(head, tail) or _begins_again(source)):
            raise UndecodableError(
                f"{name} is several Ogg streams in one, of which libsndfile reads only the first"
            )
        if _length_is_true(opened):
            undo.pop_all()
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            return SeekableRecording(opened, name, _remarks(kind, head, tail, size))
    # Opened again: after a failed seek, libsndfile can't recover its position.
    return decoded_by_soundfile(source, name)


ESTIMATED = ("MP3", "MPEG", "OGG")
"""Formats of which libsndfile tells a length that isn't a header's."""


class Mp3Recording(Recording):
    """An MP3 whose segments are decoded by cutting out their frames as a file.

    Args:
        content: The whole file.
        index: Its frames.
        name: Name of the recording in messages.
        closing: Resource to close at the end.
    """

    def __init__(
        self, content: Content, index: Mp3, name: str, closing: contextlib.ExitStack
    ) -> None:
        self.rate, self.channels, self.samples = index.rate, index.channels, index.samples
        self._content, self._index, self._name, self._closing = content, index, name, closing
        if index.skipped:
            self.remarks += (f"is damaged: {index.skipped:,} bytes amid its sound are none",)
        elif index.promised is not None and index.ends + index.frame_samples < index.promised:
            promised = index.promised - index.begins
            self.remarks += (ends_early(self.samples, promised, self.rate),)

    def blocks(self, start: int, stop: int) -> Iterator[Samples]:
        """See the base class."""
        content, before = self._index.stretch(self._content, start, stop)
        with (
            _undecodable(self._name),
            _Sequential(io.BytesIO(content)) as opened,
        ):
            yield from _blocks(opened, before, stop - start, self._name)

    def close(self) -> None:
        """See the base class."""
        self._closing.close()


class SeekableRecording(Recording):
    """A recording with a reliable length, in which libsndfile can seek to every sample.

    Args:
        opened: The file.
        name: Name of the recording in messages.
        remarks: As in `Recording`.
    """

    def __init__(self, opened: soundfile.SoundFile, name: str, remarks: tuple[str, ...]) -> None:
        self.rate, self.channels, self.samples = (
            opened.samplerate,
            opened.channels,
            opened.frames,
        )
        self.remarks, self._opened, self._name = remarks, opened, name
        # libsndfile finds a damage inside only where it decodes it.
        self.hides_damage = opened.format == "FLAC"

    def blocks(self, start: int, stop: int) -> Iterator[Samples]:
        """See the base class."""
        opus = self._opened.subtype == "OPUS"
        run_up = OPUS_RUN_UP_SECONDS if opus else RUN_UP_SECONDS
        before = min(start, int(run_up * self.rate))
        with _undecodable(self._name):
            self._opened.seek(start - before)
            yield from _blocks(self._opened, before, stop - start, self._name)

    def close(self) -> None:
        """See the base class."""
        self._opened.close()


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file that isn't asked for its position after every read: that seek may fail."""

    def seekable(self) -> bool:
        return False


def decoded_by_soundfile(source: Path | bytes, name: str) -> Decoded:
    """All that libsndfile can decode of a recording, from its beginning.

    Args:
        source: A file, or its bytes.
        name: Name of the recording in messages.

    Raises:
        UndecodableError: if nothing can be decoded.
    """
    try:
        with _Sequential(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            _refuse_raw(file, name)
            return _decoded_in_order(file, name)
    except soundfile.SoundFileError as error:
        raise UndecodableError(f"{name} can't be decoded: {_reason(error)}") from error


def _refuse_raw(opened: soundfile.SoundFile, name: str) -> None:
    """Refuse what libsndfile takes for samples because of the file's ending alone, as `.au`."""
    if opened.format == "RAW":
        raise UndecodableError(f"{name} can't be decoded: it doesn't begin as a recording")


def _decoded_in_order(opened: soundfile.SoundFile, name: str) -> Decoded:
    blocks, count = [], 0
    remarks: tuple[str, ...] = ()
    limit = MOST_SAMPLES // opened.channels
    try:
        while len(block := opened.read(SMALL_BLOCK, dtype="float32", always_2d=True)):
            blocks.append(block)
            count += len(block)
            if count > limit:
                longest = clock(limit / opened.samplerate)
                raise UndecodableError(
                    f"{name} doesn't state its length and is longer than the {longest} that are "
                    "decoded in this case"
                )
    except soundfile.SoundFileError as error:
        if not blocks:
            raise UndecodableError(f"{name} can't be decoded: {_reason(error)}") from error
        remarks = (f"is damaged, and decoded up to {clock(count / opened.samplerate)} only",)
    if not remarks and opened.format not in ESTIMATED and count < opened.frames < 2**48:
        remarks = (ends_early(count, opened.frames, opened.samplerate),)
    empty = np.empty((0, opened.channels), np.float32)
    return Decoded(np.concatenate([empty, *blocks]), opened.samplerate, remarks)


def _length_is_true(opened: soundfile.SoundFile) -> bool:
    """Whether the last sample can be read where the header says it is."""
    if not 0 < opened.frames < 2**48:
        return False
    try:
        opened.seek(opened.frames - 1)
        return len(opened.read(1)) == 1
    except soundfile.SoundFileError:
        return False


def _is_chained(head: bytes, tail: bytes) -> bool:
    """Whether the last page of an Ogg file belongs to another stream than the first."""
    place, first = 0, set()
    while head[place : place + 4] == b"OggS" and len(head) > place + 27 and head[place + 5] & 2:
        first.add(head[place + 14 : place + 18])
        segments = head[place + 27 : place + 27 + head[place + 26]]
        place += 27 + len(segments) + sum(segments)
    last = tail.rfind(b"OggS")
    return last >= 0 and bool(first) and tail[last + 14 : last + 18] not in first


def _begins_again(source: Path | bytes) -> bool:
    """Whether an Ogg file has a first page behind others: streams may share a number."""
    content, closing = _content(source)
    with closing:
        place = content.find(FIRST_PAGE)
        while place >= 0:
            following = content.find(FIRST_PAGE, place + 1)
            # The streams of one recording begin together: no other page is between.
            if following >= 0 and content.rfind(b"OggS", place + 1, following) >= 0:
                return True
            place = following
    return False


def _remarks(kind: Kind | None, head: bytes, tail: bytes, size: int) -> tuple[str, ...]:
    """Remarks on a file that libsndfile reads as complete although it is truncated."""
    # A program that writes to a pipe doesn't know the size, and states zero or the maximum.
    if size < (promised := _stated_size(head)) < LARGEST_STATED:
        return (f"ends early: {size:,} of its {promised:,} bytes are there",)
    if kind is OGG:
        page = tail.rfind(b"OggS")
        if 0 <= page < len(tail) - 6 and not tail[page + 5] & 4:
            return ("ends early: its last page isn't marked as the last",)
    return ()


LARGEST_STATED = 2**32 - 2**16
"""A size from here on is no file's: what formats of 64 bits hold beyond isn't checked."""


def _stated_size(head: bytes) -> int:
    """The size of the whole file that the header of an uncompressed format states, else 0."""
    match head[:4]:
        case b"RIFF":
            return int.from_bytes(head[4:8], "little") + 8
        case b"RF64" if head[12:16] == b"ds64":
            return int.from_bytes(head[20:28], "little") + 8
        case b"riff":
            return int.from_bytes(head[16:24], "little")
        case b"FORM":
            return int.from_bytes(head[4:8], "big") + 8
        case b".snd":
            return int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
        case b"caff" if 0 < (place := head.find(b"data")) < len(head) - 12:
            return place + 12 + int.from_bytes(head[place + 4 : place + 12], "big")
    return 0


def _blocks(opened: soundfile.SoundFile, before: int, wanted: int, name: str) -> Iterator[Samples]:
    """The next samples of a file, without those before the segment."""
    buffer = np.empty((BLOCK, opened.channels), np.float32)
    left = before + wanted
    while left:
        block = opened.read(out=buffer[: min(left, BLOCK)])
        if not len(block):
            raise UndecodableError(f"{name} is damaged: it ends {left} samples too early")
        left -= len(block)
        skipped = min(before, len(block))
        before -= skipped
        if skipped < len(block):
            yield block[skipped:]


@contextlib.contextmanager
def _undecodable(name: str) -> Iterator[None]:
    try:
        yield
    except soundfile.SoundFileError as error:
        raise UndecodableError(f"{name} can't be decoded: {_reason(error)}") from error


def _reason(error: soundfile.SoundFileError) -> str:
    """The error message of libsndfile, without the file's name."""
    reason = str(getattr(error, "error_string", error)).rstrip(".")
    # libsndfile's words for a file of no kind that it knows.
    return "it doesn't begin as a recording" if "possibly a pipe" in reason else reason


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _tail(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[-PAGE_AND_MORE:]
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - PAGE_AND_MORE))
        return file.read()


def _content(source: Path | bytes) -> tuple[Content, contextlib.ExitStack]:
    """The content of a file, and the resource to close when it is no longer needed."""
    closing = contextlib.ExitStack()
    if isinstance(source, bytes):
        return source, closing
    if source.stat().st_size < MAPPED_FROM:
        return source.read_bytes(), closing
    with source.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    closing.callback(mapped.close)
    return mapped, closing
