"""The fallback decoder: FFmpeg's libraries, through PyAV (the extra `av`)."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.audio.recording import (
    MOST_SAMPLES,
    Decoded,
    Samples,
    UndecodableError,
    clock,
    ends_early,
)

FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,loas,m4a,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,ogg,tta,w64,wav,webm,wv"
)
"""Containers that may be opened; no playlists, which refer to other files."""

TELL_THEIR_LENGTH = ("mov", "asf", "caf", "flac", "aiff")
"""Containers with a reliable duration; for others FFmpeg estimates it."""

SAME = 0.02
"""Tolerance of a container's duration, as a fraction of it."""

REMARK = "is decoded by PyAV, as libsndfile doesn't read it"


def is_installed() -> bool:
    """Whether PyAV is installed; it isn't imported."""
    return importlib.util.find_spec("av") is not None


def decode_with_av(source: Path | bytes, name: str) -> Decoded:
    """Decode the first audio stream of a whole recording, without damaged packets.

    Args:
        source: A file, or its bytes.
        name: Name of the recording in messages.

    Raises:
        UndecodableError: if FFmpeg can't read it, or it contains no audio.
    """
    import av

    try:
        with (
            io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file,
            av.open(
                file, options={"format_whitelist": FORMATS}, metadata_errors="replace"
            ) as container,
        ):
            if not container.streams.audio:
                raise UndecodableError(f"{name} contains no audio stream")
            stream = container.streams.audio[0]
            parts = list(_parts(container, stream, name))
            if not parts:
                raise UndecodableError(f"{name} can't be decoded: FFmpeg finds no audio in it")
            decoded, rate = np.concatenate(parts), int(stream.rate)
            seconds = 0.0
            if stream.duration and container.format.name.startswith(TELL_THEIR_LENGTH):
                seconds = float(stream.duration * stream.time_base)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        # PyAV's errors are OSErrors and ValueErrors, too.
        raise UndecodableError(f"{name} can't be decoded: FFmpeg: {_words(error)}") from error
    remarks: tuple[str, ...] = (REMARK,)
    if len(decoded) / rate < seconds * (1 - SAME):
        remarks += (ends_early(len(decoded), int(seconds * rate), rate),)
    return Decoded(decoded, rate, remarks)


def _parts(container: Any, stream: Any, name: str) -> Iterator[Samples]:
    """Arrays `(samples, channels)` float32, one per frame."""
    import av

    resampler, count = None, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            # A damaged packet; the next ones may be intact.
            continue
        for frame in frames:
            if resampler is None:
                resampler = av.AudioResampler(
                    format="fltp", layout=frame.layout.name, rate=frame.sample_rate
                )
            for converted in resampler.resample(frame):
                part = converted.to_ndarray().T
                count += part.size
                if count > MOST_SAMPLES:
                    longest = clock(MOST_SAMPLES / part.shape[1] / stream.rate)
                    raise UndecodableError(
                        f"{name} is longer than the {longest} that are decoded if a file "
                        "states no length"
                    )
                yield part


def _words(error: Exception) -> str:
    words = str(getattr(error, "strerror", None) or error)
    return f"{words}: it is damaged or cut off" if words.startswith("Invalid data") else words
