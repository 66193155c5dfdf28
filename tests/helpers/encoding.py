"""Recordings encoded on the spot, and what happens to them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile


def music(rate: int, seconds: float, channels: int = 2) -> np.ndarray:
    """Notes that change with every quarter of a second, and a hiss: no two seconds are alike."""
    draw = np.random.default_rng(0)
    time = np.arange(int(rate * seconds)) / rate
    notes = 110 * 2 ** (draw.integers(0, 36, int(seconds * 4) + 1)[(time * 4).astype(int)] / 12)
    tone = 0.4 * np.sin(2 * np.pi * np.cumsum(notes) / rate)
    hiss = 0.02 * draw.standard_normal((len(time), 2))
    return (tone[:, None] + hiss).astype(np.float32)[:, :channels]


def encoded(
    format: str, subtype: str, rate: int, channels: int, seconds: float = 5.0, **options: object
) -> bytes:
    """A whole file."""
    file, samples = io.BytesIO(), music(rate, seconds, channels)
    with soundfile.SoundFile(
        file, "w", rate, channels, format=format, subtype=subtype, **options
    ) as opened:
        # In pieces: libsndfile's Vorbis puts all of a write on the stack.
        for start in range(0, len(samples), rate):
            opened.write(samples[start : start + rate])
    return file.getvalue()


def mp3(rate: int, channels: int, mode: str, level: float, seconds: float = 5.0) -> bytes:
    """An MP3 of constant, average or variable bit rate; level 0 is the best, 1 the smallest."""
    return encoded(
        "MP3",
        "MPEG_LAYER_III",
        rate,
        channels,
        seconds,
        bitrate_mode=mode,
        compression_level=level,
    )


def with_av(container: str, codec: str, rate: int, samples: np.ndarray) -> bytes:
    """A file of a container that libsndfile doesn't write, in stereo."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="stereo")
        stream.bit_rate = 192_000
        frame_size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(
            stream.codec_context.format.name, "stereo", rate, frame_size=frame_size
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), "fltp", "stereo")
        frame.sample_rate = rate
        encode: Any = stream.encode
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(encode(part))
        output.mux(encode(None))
    return file.getvalue()
