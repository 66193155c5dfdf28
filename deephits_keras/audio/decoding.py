"""Decoding: from an audio file to a mono waveform, by one of two named decoders."""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.audio.errors import AudioError
from deephits_keras.errors import UserError

Waveform = np.ndarray[Any, np.dtype[np.float32]]

LONGEST_SECONDS = 6 * 3600
LOWEST_RATE, HIGHEST_RATE = 2_000, 768_000
MOST_SAMPLES = 2**29
"""More (hours, Hz, samples of all channels: 2 GiB) is a damaged header, or no song."""

SHORTEST_SECONDS = 0.05
"""Less sound than this is no recording: what decodes of a damaged file's remains, mostly."""


def load_audio(source: Path | bytes, sample_rate: int, *, decoder: str = "soundfile") -> Waveform:
    """Decode a recording, mix it to mono and resample it.

    Equal to `librosa.load(source, sr=sample_rate)`, whose parts it is made of: libsndfile, the
    mean of the channels, soxr's HQ resampler.

    Args:
        source: A file, or the bytes of one: MP3, Ogg Vorbis, FLAC, WAV and what else the decoder
            reads. A file that ends early gives what there is of it.
        sample_rate: Of the waveform, in Hz.
        decoder: A name in `DECODERS`: `soundfile`, or `tensorflow-io` (needs the extra `tfio`).

    Returns:
        `(samples,)` float32, full scale at 1.

    Raises:
        AudioError: if it can't be decoded, is empty, or holds values that aren't numbers.
        UserError: for an unknown decoder, or one that isn't installed.
    """
    if decoder not in DECODERS:
        raise UserError(f"There is no decoder named {decoder!r}. Decoders: {', '.join(DECODERS)}")
    name = source.name if isinstance(source, Path) else "the recording"
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
    except OSError as error:
        raise AudioError(f"{name} can't be opened: {error.strerror}") from error
    if not size:
        raise AudioError(f"{name} is empty")
    channels, original_rate = DECODERS[decoder](source, name)
    if len(channels) < SHORTEST_SECONDS * original_rate:
        raise AudioError(f"{name} holds no sound: {len(channels)} samples could be decoded")
    if not LOWEST_RATE <= original_rate <= HIGHEST_RATE:
        raise AudioError(f"{name} says that its sample rate is {original_rate} Hz")
    if channels.size >= MOST_SAMPLES or len(channels) > LONGEST_SECONDS * original_rate:
        raise AudioError(
            f"{name} is longer than {LONGEST_SECONDS // 3600} hours or {MOST_SAMPLES} samples"
        )
    mono = _mono(channels)
    # Looked for after mixing, which keeps it and leaves less to look through.
    if not np.isfinite(mono).all():
        raise AudioError(f"{name} holds samples that aren't finite numbers")
    return _resampled(mono, original_rate, sample_rate)


def _mono(channels: np.ndarray[Any, Any]) -> Waveform:
    """The mean of `(samples, channels)` over the channels."""
    # Channel by channel: NumPy's mean over so short an axis takes longer than decoding.
    mono: Waveform = functools.reduce(np.add, channels.T)
    return mono / np.float32(channels.shape[1])


def _resampled(mono: Waveform, original_rate: int, sample_rate: int) -> Waveform:
    """A waveform at another sample rate, by soxr's HQ setting."""
    import soxr

    if original_rate == sample_rate:
        return mono
    return np.asarray(soxr.resample(mono, original_rate, sample_rate, "HQ"), dtype=np.float32)


def _decode_with_soundfile(source: Path | bytes, name: str) -> tuple[np.ndarray[Any, Any], int]:
    import soundfile

    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with soundfile.SoundFile(file) as opened:
            # A damaged header may claim any length: memory is only asked for up to a limit.
            frames = min(opened.frames, MOST_SAMPLES // opened.channels)
            samples = opened.read(frames, dtype="float32", always_2d=True)
            return samples, opened.samplerate
    except soundfile.SoundFileError as error:
        raise AudioError(f"{name} can't be decoded: {error}") from error


def _decode_with_tensorflow_io(source: Path | bytes, name: str) -> tuple[np.ndarray[Any, Any], int]:
    graph: Any = importlib.import_module("deephits_keras.audio.graph")
    content = source if isinstance(source, bytes) else source.read_bytes()
    channels, rate = graph.decode_channels(content, name)
    return channels, rate


Decoder = Callable[[Path | bytes, str], tuple[np.ndarray[Any, Any], int]]

DECODERS: dict[str, Decoder] = {
    "soundfile": _decode_with_soundfile,
    "tensorflow-io": _decode_with_tensorflow_io,
}
"""Decoders by name: each gives `(samples, channels)` float32 and the sample rate in Hz."""
