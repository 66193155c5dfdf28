"""Decode audio files, or only the needed parts of them, to mono waveforms."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from deephits_keras.audio import libav
from deephits_keras.audio.errors import AudioError
from deephits_keras.audio.kinds import HEAD, kind_of
from deephits_keras.audio.libsndfile import decoded_by_soundfile, open_with_soundfile
from deephits_keras.audio.recording import (
    MOST_SAMPLES,
    Decoded,
    Recording,
    Samples,
    UndecodableError,
    clock,
)
from deephits_keras.audio.windows import window_starts
from deephits_keras.errors import UserError

Waveform = np.ndarray[Any, np.dtype[np.float32]]
T = TypeVar("T")

LONGEST_SECONDS = 6 * 3600
LOWEST_RATE, HIGHEST_RATE = 2_000, 768_000
"""A larger duration (hours) or sample rate (Hz) means a damaged header, or not a song."""

SHORTEST_SECONDS = 0.05
"""Shorter audio is rejected: it is mostly what could be decoded of a damaged file."""

LOUDEST = 10.0
"""Multiple of full scale: a larger peak means samples on another scale, not loudness."""

CANCELLED = 1e-4
"""Fraction of the channels' power below which their mean counts as cancelled out."""

SPARSE = 64
"""Stride of the samples that are checked for cancellation."""

SILENCE = 1e-5
"""Of full scale: below the smallest step of 16 bits."""

RESAMPLER_MARGIN = 256
"""Context on each side of a segment, in samples at the lower rate, needed to resample it.

Measured: with 128 the result is within 2e-7 of full scale of the whole recording's.
"""

GET_AV = "pip install 'deephits-keras[av]'"


def load_audio(source: Path | bytes, sample_rate: int, *, decoder: str = "soundfile") -> Waveform:
    """Decode a recording, mix it to mono and resample it.

    Equal to `librosa.load(source, sr=sample_rate)` and made of the same parts: libsndfile, the
    mean of the channels and soxr's HQ resampler.

    Args:
        source: A file, or its bytes: MP3, Ogg Vorbis, Opus, FLAC, WAV and other formats of the
            decoder; M4A, AAC, WebM and WMA with the extra `av`. A truncated file is decoded as
            far as it goes.
        sample_rate: Sample rate of the waveform, in Hz.
        decoder: A name in `DECODERS`: `soundfile`, or `tensorflow-io` (needs the extra `tfio`).

    Returns:
        `(samples,)` float32, full scale at 1.

    Raises:
        AudioError: if it can't be decoded, is empty, silent, out of range or longer than
            `LONGEST_SECONDS`, contains values that aren't finite, or has channels that cancel
            each other out.
        UserError: for an unknown decoder, or one that isn't installed.
    """

    def load(recording: Recording) -> Waveform:
        if recording.samples > MOST_SAMPLES:
            longest = clock(MOST_SAMPLES / recording.rate)
            raise AudioError(
                f"{name} is {clock(recording.samples / recording.rate)} long, more than the "
                f"{longest} that can be analysed at once"
            )
        mixer = _Mixer(recording, sample_rate, name)
        waveform = mixer.waveform(0, recording.samples)
        mixer.require_sound()
        return waveform

    name = _name(source)
    return _with_recording(source, decoder, load)


def load_windows(
    source: Path | bytes,
    sample_rate: int,
    samples: int,
    *,
    count: int = 1,
    crop: str = "center",
    decoder: str = "soundfile",
) -> list[Waveform]:
    """Decode windows of a recording, and only the parts of it that they need.

    Each window equals the same part of `load_audio`'s waveform within 1e-6 of full scale.

    Args:
        source: As in `load_audio`.
        sample_rate: Sample rate of the waveforms, in Hz.
        samples: Window length, in samples at that rate.
        count: Number of windows, spread over the recording; see `window_starts`.
        crop: `center` or `start`; see `window_starts`.
        decoder: As in `load_audio`.

    Returns:
        `count` waveforms `(samples,)` float32, full scale at 1. If the recording is shorter than a
        window, each is the whole recording.

    Raises:
        AudioError: as in `load_audio`; a recording is silent if all its windows are.
        UserError: for an unknown decoder, or one that isn't installed.

    Example:
        >>> middle, = load_windows(Path("song.mp3"), 22050, 30 * 22050)  # doctest: +SKIP
    """

    def load(recording: Recording) -> list[Waveform]:
        total = _resampled_length(recording.samples, recording.rate, sample_rate)
        loaded: dict[int, Waveform] = {}
        mixer = _Mixer(recording, sample_rate, name)
        starts = window_starts(total, samples, count, crop)
        for start in dict.fromkeys(starts):
            stop = min(total, start + samples)
            loaded[start] = _stretch(recording, start, stop, sample_rate, mixer)
        mixer.require_sound()
        return [loaded[start] for start in starts]

    name = _name(source)
    return _with_recording(source, decoder, load)


def load_channels(source: Path | bytes, sample_rate: int | None = None) -> tuple[Samples, int]:
    """Decode and resample a whole recording without mixing its channels.

    Args:
        source: As in `load_audio`.
        sample_rate: Sample rate in Hz; the recording's own by default.

    Returns:
        `(samples, channels)` float32, full scale at 1, and the sample rate in Hz. More than two
        channels are mixed to one.

    Raises:
        AudioError: as in `load_audio`.
    """

    def load(recording: Recording) -> tuple[Samples, int]:
        if recording.samples * recording.channels > MOST_SAMPLES:
            longest = clock(MOST_SAMPLES / recording.channels / recording.rate)
            raise AudioError(
                f"{name} is {clock(recording.samples / recording.rate)} long, more than the "
                f"{longest} that can be analysed at once"
            )
        rate = sample_rate or recording.rate
        mixer = _Mixer(recording, rate, name)
        mono = mixer.waveform(0, recording.samples)
        mixer.require_sound()
        if recording.channels != 2:
            return mono[:, None], rate
        decoded = [block.copy() for block in recording.blocks(0, recording.samples)]
        pair = np.concatenate(decoded).T
        return np.stack([_resampled(c, recording.rate, rate) for c in pair], axis=1), rate

    name = _name(source)
    return _with_recording(source, "soundfile", load)


def seconds_of(source: Path | bytes) -> float:
    """Duration of a recording in seconds, from its header where that states it.

    Args:
        source: As in `load_audio`.

    Raises:
        AudioError: if it can't be decoded.
    """
    return _with_recording(source, "soundfile", lambda each: each.samples / each.rate)


def sample_rate_of(source: Path | bytes) -> int:
    """Sample rate of a recording in Hz.

    Args:
        source: As in `load_audio`.

    Raises:
        AudioError: if it can't be decoded.
    """
    return _with_recording(source, "soundfile", lambda each: each.rate)


def remarks_on(source: Path | bytes, *, decoder: str = "soundfile") -> tuple[str, ...]:
    """Remarks on a recording that can be decoded, one sentence each.

    They say that it ends earlier than its header states, that it is damaged, or that the fallback
    decoder reads it. Audio is only decoded if that is needed to find out.

    Args:
        source: As in `load_audio`.
        decoder: As in `load_audio`.

    Raises:
        AudioError: if it can't be decoded.
    """
    name = _name(source)
    remarks = _with_recording(source, decoder, _remarks)
    if decoder != "soundfile":
        remarks = _soundfile_remarks(source, name)
    return tuple(f"{name} {remark}" for remark in remarks)


def _remarks(recording: Recording) -> tuple[str, ...]:
    if recording.hides_damage:
        for _ in recording.blocks(0, recording.samples):
            pass
    return recording.remarks


def _with_recording(source: Path | bytes, decoder: str, use: Callable[[Recording], T]) -> T:
    """Apply a function to a recording, opened by the first decoder that can read it."""
    if decoder not in DECODERS:
        raise UserError(f"There is no decoder named {decoder!r}. Decoders: {', '.join(DECODERS)}")
    name = _name(source)
    kind = kind_of(_head(source, name))
    if kind is not None and not kind.is_sound:
        advice = f": {kind.advice}" if kind.advice else ""
        raise AudioError(f"{name} is {kind.words} and not a recording{advice}")
    openers = DECODERS[decoder]
    if decoder == "soundfile":
        if kind is not None and not kind.by_libsndfile:
            openers = openers[1:2]
        if not libav.is_installed():
            openers = tuple(open_ for open_ in openers if open_ is not libav.decode_with_av)
    if not openers and kind is not None:
        raise AudioError(f"{name} is {kind.words}, which libsndfile doesn't read: {GET_AV}")
    refusals = []
    for open_ in openers:
        try:
            with open_(source, name) as recording:
                _check(recording, name)
                return use(recording)
        except UndecodableError as error:
            refusals.append(error)
    hint = "" if libav.is_installed() else f" (another decoder may read it: {GET_AV})"
    raise AudioError(f"{refusals[0]}{hint}") from refusals[-1]


def _name(source: Path | bytes) -> str:
    return source.name if isinstance(source, Path) else "the recording"


def _head(source: Path | bytes, name: str) -> bytes:
    """The first bytes of a file.

    Raises:
        AudioError: if there are none, or they can't be read.
    """
    try:
        if isinstance(source, bytes):
            head = source[:HEAD]
        else:
            with source.open("rb") as file:
                head = file.read(HEAD)
    except OSError as error:
        raise AudioError(f"{name} can't be opened: {error.strerror}") from error
    if not head:
        raise AudioError(f"{name} is empty")
    return head


def _check(recording: Recording, name: str) -> None:
    if recording.samples < SHORTEST_SECONDS * recording.rate:
        raise UndecodableError(
            f"{name} holds no sound: {recording.samples} samples could be decoded"
        )
    if not LOWEST_RATE <= recording.rate <= HIGHEST_RATE:
        raise AudioError(f"{name} says that its sample rate is {recording.rate} Hz")
    if recording.samples > LONGEST_SECONDS * recording.rate:
        length = clock(recording.samples / recording.rate)
        raise AudioError(f"{name} is {length} long, more than {LONGEST_SECONDS // 3600} hours")


def _stretch(
    recording: Recording, start: int, stop: int, sample_rate: int, mixer: _Mixer
) -> Waveform:
    """A segment of the resampled mono waveform, from the part of the recording that it needs."""
    rate = recording.rate
    divisor = math.gcd(rate, sample_rate)
    up, down = sample_rate // divisor, rate // divisor
    margin = -(-RESAMPLER_MARGIN * max(rate, sample_rate) // sample_rate) if up != down else 0
    # Samples of both rates coincide here, so resampling from here shifts no sample.
    periods = max(0, start * down // up - margin) // down
    first, last = periods * down, min(recording.samples, -(-stop * down // up) + margin)
    return mixer.waveform(first, last)[start - periods * up : stop - periods * up]


def _resampled_length(samples: int, rate: int, sample_rate: int) -> int:
    """Number of samples of a recording after resampling by soxr."""
    return int(samples * sample_rate / rate + 0.5)


class _Mixer:
    """Mixes segments of a recording to mono, resamples them and checks the result.

    Args:
        recording: The recording.
        sample_rate: Sample rate of the result, in Hz.
        name: Name of the recording in messages.
    """

    def __init__(self, recording: Recording, sample_rate: int, name: str) -> None:
        self._recording, self._sample_rate, self._name = recording, sample_rate, name
        self._peak = self._mixed = self._channels = 0.0

    def waveform(self, start: int, stop: int) -> Waveform:
        """The segment from `start` to `stop`, in samples at the recording's own rate.

        Raises:
            AudioError: if it contains values that aren't valid samples.
        """
        mixed, place = np.empty(stop - start, np.float32), 0
        for block in self._recording.blocks(start, stop):
            self._mix(block, mixed[place : place + len(block)])
            place += len(block)
        waveform = _resampled(mixed, self._recording.rate, self._sample_rate)
        # Divide the sum where there are fewer samples: after downsampling, mostly.
        waveform /= np.float32(self._recording.channels)
        # Check after mixing and resampling: they keep invalid values, and fewer samples are left.
        peak = max(-float(waveform.min()), float(waveform.max())) if len(waveform) else 0.0
        if not math.isfinite(peak):
            raise AudioError(f"{self._name} holds samples that aren't finite numbers")
        if peak > LOUDEST:
            raise AudioError(
                f"{self._name} is out of range: its samples reach {peak:,.0f} where full scale is 1"
            )
        self._peak = max(self._peak, peak)
        return waveform

    def require_sound(self) -> None:
        """Refuse a recording that is silent after mixing.

        Raises:
            AudioError: if it is silent, or its channels cancel each other out.
        """
        if self._mixed < CANCELLED * self._channels:
            raise AudioError(
                f"{self._name} has channels that cancel each other out: mixed to mono, almost "
                "nothing is left"
            )
        if self._peak < SILENCE:
            raise AudioError(f"{self._name} is silent in the part that is analysed")

    def _mix(self, channels: Samples, mono: Waveform) -> None:
        # Channel by channel: NumPy's mean over so short an axis takes longer than decoding.
        if channels.shape[1] == 1:
            np.copyto(mono, channels[:, 0])
            return
        np.add(channels[:, 0], channels[:, 1], out=mono)
        for channel in channels.T[2:]:
            mono += channel
        some, count = channels[::SPARSE], channels.shape[1]
        self._mixed += float(np.square(mono[::SPARSE]).sum()) / count**2
        self._channels += float(np.square(some).sum()) / count


def _resampled(mono: Waveform, original_rate: int, sample_rate: int) -> Waveform:
    """A waveform at another sample rate, by soxr's HQ setting."""
    import soxr

    if original_rate == sample_rate:
        return mono
    return np.asarray(soxr.resample(mono, original_rate, sample_rate, "HQ"), dtype=np.float32)


def _decode_with_tensorflow_io(source: Path | bytes, name: str) -> Recording:
    # tensorflow-io reads whole files only, and its messages don't tell a truncated one.
    graph: Any = importlib.import_module("deephits_keras.audio.graph")
    content = source if isinstance(source, bytes) else source.read_bytes()
    try:
        return Decoded(*graph.decode_channels(content, name))
    except AudioError as error:
        if remarks := _soundfile_remarks(source, name):
            raise AudioError(
                f"{name} {remarks[0]}: tensorflow-io can't decode it, while the decoder soundfile "
                "reads what there is"
            ) from error
        raise


def _soundfile_remarks(source: Path | bytes, name: str) -> tuple[str, ...]:
    """What libsndfile finds to remark on a recording that tensorflow-io decodes or refuses."""
    try:
        with open_with_soundfile(source, name) as recording:
            return _remarks(recording)
    except AudioError:
        return ()


Opener = Callable[[Path | bytes, str], Recording]

DECODERS: dict[str, tuple[Opener, ...]] = {
    "soundfile": (open_with_soundfile, libav.decode_with_av, decoded_by_soundfile),
    "tensorflow-io": (_decode_with_tensorflow_io,),
}
"""Functions that open a recording, by a decoder's name; each is tried if the one before fails.

First libsndfile, then FFmpeg if PyAV is installed, then as much as libsndfile can decode.
"""
