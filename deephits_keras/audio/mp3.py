"""Index the frames of an MP3, so that any segment of it can be decoded by itself.

Lengths in headers are unreliable: without a Xing or Info frame the length is estimated from the
bit rate of the first frames; with one, the file may still be truncated. Here the frames are
counted: a loop over their headers, 3 ms for four minutes of audio. A segment of frames with a new
Info frame in front is a whole MP3, which libsndfile decodes to the last sample.

ISO 11172-3, 2.4 and ISO 13818-3, 2.4 (headers); the LAME tag's specification, rev. 1 (delay and
padding); libmpg123's `frame.c` (what a decoder removes at either end).
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Hz, by the header's two version bits: MPEG 1, 2 and 2.5."""

MPEG_1 = 3
BIT_RATES = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s of Layer III from index 1 on, of MPEG 1 and of the other two."""

OVERLAP = 2
"""Preceding frames that a frame's audio depends on: they overlap, and filters have state."""

RESERVOIR = 511
"""Most bytes by which a frame's data may begin before the frame (the bit reservoir)."""

DECODER_DELAY = 529
"""Delay of every decoder in samples; libmpg123 removes it if a tag states the length."""

CHAIN = 3
"""Consecutive frames that identify a stream; a single header may occur by chance."""

FARTHEST_START = 2**22
"""Bytes after the tags that are searched for the first frame."""

TAG_FRAMES, TAG_BYTES, TAG_TOC, TAG_QUALITY = 1, 2, 4, 8
"""Flags of a Xing or Info frame: which fields follow."""

Content = bytes | mmap.mmap


@dataclass(frozen=True)
class Mp3:
    """An MP3's frames.

    Attributes:
        header: The first frame's four bytes.
        offsets: Byte offset of each frame with audio.
        sizes: Size of each in bytes.
        begins: Samples at the start that decoders remove: the encoder's and decoder's delay.
        ends: Last sample of the stream that belongs to the recording, exclusive.
        promised: Last sample according to the tag, or None without a tag.
        skipped: Number of bytes between frames that belong to none.
    """

    header: bytes
    offsets: array[int]
    sizes: array[int]
    begins: int
    ends: int
    promised: int | None
    skipped: int

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return RATES[_version(self.header)][self.header[2] >> 2 & 3]

    @property
    def channels(self) -> int:
        """Number of channels: 1 or 2."""
        return 1 if _is_mono(self.header) else 2

    @property
    def frame_samples(self) -> int:
        """Samples per frame: 1152 in MPEG 1, 576 in MPEG 2 and 2.5."""
        return 1152 if _version(self.header) == MPEG_1 else 576

    @property
    def samples(self) -> int:
        """Number of samples per channel."""
        return max(0, self.ends - self.begins)

    def stretch(self, content: Content, start: int, stop: int) -> tuple[bytes, int]:
        """A whole MP3 that contains a segment of the recording.

        Args:
            content: The indexed file.
            start: First sample.
            stop: Last sample, exclusive.

        Returns:
            The MP3, and the number of its decoded samples before `start`.
        """
        size = self.frame_samples
        first = self._run_up((start + self.begins) // size - OVERLAP)
        last = min(len(self.offsets), -(-(stop + self.begins) // size) + 1)
        # The samples that a decoder removes at the start come from a frame of silence.
        lead = [self._frame()] if first == 0 else []
        frames = lead + [frame for run in self._runs(content, first, last) for frame in run]
        # One frame more than there is: the end isn't cut by the delay.
        info = self._frame(b"Info" + _big_endian(TAG_FRAMES) + _big_endian(len(frames) + 1))
        before = start + self.begins - (first - len(lead)) * size - DECODER_DELAY
        return b"".join((info, *frames)), before

    def _runs(self, content: Content, first: int, last: int) -> Iterator[list[bytes]]:
        """Frames, in lists of consecutive ones without a gap."""
        run: list[bytes] = []
        starts, end = first == 0, -1
        places = zip(self.offsets[first:last], self.sizes[first:last], strict=True)
        for place, length in places:
            if place != end and run:
                yield run if starts else _silenced(run)
                run, starts = [], False
            run.append(content[place : place + length])
            end = place + length
        if run:
            yield run if starts else _silenced(run)

    def _run_up(self, frame: int) -> int:
        """The frame to begin with so that another one is decoded correctly."""
        missing, own = RESERVOIR, 6 + _side_information(self.header)
        while frame > 0 and missing > 0:
            frame -= 1
            missing -= self.sizes[frame] - own
        return max(0, frame)

    def _frame(self, tag: bytes = b"") -> bytes:
        """A frame of silence, or one that contains a tag."""
        head = bytearray(self.header)
        # Without checksum and padding, at 128 or 64 kbit/s: large enough for the tag.
        head[1] |= 1
        head[2] = (0x90 if _version(head) == MPEG_1 else 0x80) | head[2] & 0x0C
        size = _frame_sizes(head[1] & 0xFE, head[2] & 0x0C)[head[1] << 8 | head[2]]
        return bytes(head + bytes(_side_information(head)) + tag).ljust(size, b"\0")


def index_mp3(content: Content) -> Mp3 | None:
    """Find an MP3's frames.

    Args:
        content: The whole file.

    Returns:
        The frames, or None if this isn't MPEG Layer III audio, or has a free bit rate.
    """
    tags = _after_tags(content)
    start = _next_chain(content, tags, None, min(len(content), tags + FARTHEST_START))
    if start is None:
        return None
    header = content[start : start + 4]
    sizes = _frame_sizes(header[1] & 0xFE, header[2] & 0x0C)
    tag = _tag(content[start : start + sizes[header[1] << 8 | header[2]]])
    if tag is not None:
        start += sizes[header[1] << 8 | header[2]]
    offsets, lengths, skipped = _walk(content, start, sizes)
    if not offsets:
        return None
    size = 1152 if _version(header) == MPEG_1 else 576
    begins, ends, promised = 0, len(offsets) * size, None
    if tag is not None and tag[0]:
        count, delay, padding = tag
        begins, promised = delay + DECODER_DELAY, count * size - padding + DECODER_DELAY
        # More frames than the tag counts: several recordings, and the tag is the first one's.
        if skipped:
            ends -= max(0, padding - DECODER_DELAY)
        elif len(offsets) <= count + 1:
            ends = min(ends, promised)
    return Mp3(header, offsets, lengths, begins, ends, promised, skipped)


def _silenced(frames: list[bytes]) -> list[bytes]:
    """Cut frames out of a stream and silence those whose data begin before the cut.

    Otherwise libmpg123 would decode them in part and print warnings to standard error. Their
    bytes are kept, as later frames' data may begin there, and so are their back references up to
    the cut: libmpg123 passes on only the bytes that a frame refers to.
    """
    there, result, mpeg_1 = 0, [], _version(frames[0]) == MPEG_1
    for number, frame in enumerate(frames):
        place, side = 4 if frame[1] & 1 else 6, _side_information(frame)
        begins = frame[place : place + 2]
        back = begins[0] << 1 | begins[1] >> 7 if mpeg_1 else begins[0]
        if back > there:
            reach = bytes((there >> 1, there << 7 & 0x80) if mpeg_1 else (there, 0))
            frame = frame[:place] + reach + bytes(side - 2) + frame[place + side :]
        result.append(frame)
        there += len(frame) - place - side
        if there > RESERVOIR:
            return result + frames[number + 1 :]
    return result


def _walk(
    content: Content, place: int, sizes: Mapping[int, int]
) -> tuple[array[int], array[int], int]:
    """Offsets and sizes of all frames from one on, and the number of bytes between them."""
    offsets: list[int] = []
    lengths: list[int] = []
    skipped, end, add, add_length = 0, len(content), offsets.append, lengths.append
    while True:
        while place + 4 <= end and content[place] == 0xFF:
            size = sizes.get(content[place + 1] << 8 | content[place + 2])
            if size is None or place + size > end:
                break
            add(place)
            add_length(size)
            place += size
        following = _next_chain(content, place, sizes, end)
        if following is None:
            return array("Q", offsets), array("Q", lengths), skipped
        skipped += following - place
        place = following


def _next_chain(
    content: Content, place: int, sizes: Mapping[int, int] | None, limit: int
) -> int | None:
    """Offset of the next consecutive frames of one kind: of the given kind, or of any."""
    while (place := content.find(b"\xff", place, limit)) >= 0 and place + 4 <= len(content):
        head = content[place : place + 4]
        kind = _frame_sizes(head[1] & 0xFE, head[2] & 0x0C) if sizes is None else sizes
        if kind and _is_chain(content, place, kind):
            return place
        place += 1
    return None


def _is_chain(content: Content, place: int, sizes: Mapping[int, int]) -> bool:
    for number in range(CHAIN):
        head = content[place : place + 3]
        # A stream may end after fewer frames, with or without a tag of its title at the end.
        if number and (len(head) < 3 or head == b"TAG"):
            return True
        size = sizes.get(head[1] << 8 | head[2]) if len(head) == 3 and head[0] == 0xFF else None
        if size is None or place + size > len(content):
            return False
        place += size
    return True


@lru_cache(maxsize=64)
def _frame_sizes(kind: int, rate_bits: int) -> Mapping[int, int]:
    """Frame size in bytes by the second and third byte of the header, for frames of one kind.

    Args:
        kind: The second byte without its last bit: all streams of version and layer.
        rate_bits: The third byte's two bits of the sample rate.
    """
    version, rate_index = kind >> 3 & 3, rate_bits >> 2
    # Eleven bits of synchronisation, a valid version, and Layer III.
    if kind & 0xE6 != 0xE2 or version not in RATES or rate_index == 3:
        return {}
    rate = RATES[version][rate_index]
    slots = 144_000 if version == MPEG_1 else 72_000
    return {
        (kind | protection) << 8 | index << 4 | rate_bits | padding << 1 | private: (
            slots * bit_rate // rate + padding
        )
        for index, bit_rate in enumerate(BIT_RATES[version == MPEG_1], start=1)
        for protection in (0, 1)
        for padding in (0, 1)
        for private in (0, 1)
    }


def _tag(frame: bytes) -> tuple[int, int, int] | None:
    """Frames, delay and padding of a Xing or Info frame (0 if absent), or None without one."""
    place = 4 + _side_information(frame)
    if frame[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[place + 4 : place + 8], "big")
    place += 8
    count = int.from_bytes(frame[place : place + 4], "big") if flags & TAG_FRAMES else 0
    for flag, size in ((TAG_FRAMES, 4), (TAG_BYTES, 4), (TAG_TOC, 100), (TAG_QUALITY, 4)):
        place += size if flags & flag else 0
    lame = frame[place : place + 24]
    if len(lame) < 24 or not lame[0]:
        return count, 0, 0
    return count, lame[21] << 4 | lame[22] >> 4, (lame[22] & 15) << 8 | lame[23]


def _after_tags(content: Content) -> int:
    """Offset of the end of the ID3v2 tags at the start."""
    place = 0
    while content[place : place + 3] == b"ID3" and place + 10 <= len(content):
        a, b, c, d = content[place + 6 : place + 10]
        footer = 10 if content[place + 5] & 0x10 else 0
        place += 10 + footer + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
    return place


def _version(header: bytes | bytearray) -> int:
    return header[1] >> 3 & 3


def _is_mono(header: bytes | bytearray) -> bool:
    return header[3] >> 6 == 3


def _side_information(header: bytes | bytearray) -> int:
    """Bytes between the header and the audio data; a tag begins there, too."""
    if _version(header) == MPEG_1:
        return 17 if _is_mono(header) else 32
    return 9 if _is_mono(header) else 17


def _big_endian(number: int) -> bytes:
    return number.to_bytes(4, "big")
