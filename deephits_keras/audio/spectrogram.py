"""Outside the graph: waveform -> log-mel spectrogram, as librosa computes it."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import scipy.sparse

from deephits_keras.types import Array

if TYPE_CHECKING:
    from deephits_keras.audio.settings import LogMelConfig


POWER_FLOOR = 1e-10
DYNAMIC_RANGE = 80.0
"""`librosa.power_to_db`'s defaults: `amin`, and `top_db` below the loudest value."""


def samples_of(config: LogMelConfig) -> int:
    """Number of samples that a clip of `config.frames` frames uses."""
    # Centred frames: 1 + samples // hop. The last samples of the last hop count as well, so that
    # thirty seconds at 22,050 Hz are not cut at all.
    return config.frames * config.hop_length - 1


def clip(waveform: Array, config: LogMelConfig) -> Array:
    """Cut or pad a waveform so that its centred frames are exactly `config.frames`.

    A longer waveform is cut (`config.crop`), a shorter one padded with silence at its end.
    """
    wanted = samples_of(config)
    if len(waveform) > wanted:
        start = (len(waveform) - wanted) // 2 if config.crop == "center" else 0
        return waveform[start : start + wanted]
    lacking = (config.frames - 1) * config.hop_length - len(waveform)
    return np.pad(waveform, (0, lacking)) if lacking > 0 else waveform


def log_mel(waveform: Array, config: LogMelConfig) -> Array:
    """Log-mel power spectrogram `(mel_bands, frames)` in dB, float32.

    Equal to `librosa.power_to_db(librosa.feature.melspectrogram(...))`: periodic Hann window,
    frames centred on a zero-padded signal, Slaney's mel scale and normalisation, 80 dB of
    dynamic range. Computed in blocks that fit in the CPU cache. The filters are sparse: most of
    a dense product would be zeros, and a BLAS would run it on several threads, which slow down the
    other worker processes.
    """
    window, filters = _window(config.n_fft), _filters(config)
    padded = np.pad(waveform, config.n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    mel = np.empty((config.mel_bands, len(frames)), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = scipy.fft.rfft(frames[start : start + _BLOCK] * window, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        mel[:, start : start + _BLOCK] = filters @ power.T
    # NumPy's logarithm to the base of 10 takes six times as long.
    np.log(np.maximum(mel, POWER_FLOOR, out=mel), out=mel)
    mel *= np.float32(10 / np.log(10))
    np.maximum(mel, mel.max() - DYNAMIC_RANGE, out=mel)
    return mel


_BLOCK = 64


@lru_cache(maxsize=8)
def _window(n_fft: int) -> Array:
    """The periodic Hann window, equal to SciPy's; `scipy.signal` takes a second to import."""
    angles = np.linspace(-np.pi, np.pi, n_fft + 1)[:-1]
    return np.asarray(0.5 + 0.5 * np.cos(angles), dtype=np.float32)


@lru_cache(maxsize=8)
def _filters_of(sample_rate: int, n_fft: int, mel_bands: int) -> Any:
    return scipy.sparse.csr_array(mel_filters(sample_rate, n_fft, mel_bands))


def mel_filters(sample_rate: int, n_fft: int, mel_bands: int) -> Array:
    """Slaney's triangular filters of equal area `(mel_bands, 1 + n_fft // 2)`, float32.

    Equal to `librosa.filters.mel`, which takes longer to import (with Numba) than a song to score.

    Args:
        sample_rate: In Hz; the last filter ends at half of it.
        n_fft: Samples per frame.
        mel_bands: Number of filters.

    Example:
        >>> mel_filters(22_050, 2_048, 128).shape
        (128, 1025)
    """
    edges = _mel_frequencies(mel_bands + 2, sample_rate / 2)
    widths = np.diff(edges)
    ramps = np.subtract.outer(edges, np.fft.rfftfreq(n_fft, 1 / sample_rate))
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    filters: Array = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    if not filters.any(axis=1).all():
        warnings.warn(
            f"Some of {mel_bands} mel bands are empty: fewer bands or a larger n_fft are needed",
            stacklevel=2,
        )
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return filters


LINEAR_HERTZ, LOG_FROM_HERTZ, LOG_STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27.0
"""Slaney's mel scale: linear up to 1 kHz, with so many Hz per mel, and logarithmic above."""


def _mel_frequencies(count: int, highest: float) -> Array:
    """Frequencies in Hz that are equally spaced in mel, from 0 to the highest."""
    log_from = LOG_FROM_HERTZ / LINEAR_HERTZ
    last = highest / LINEAR_HERTZ
    if highest >= LOG_FROM_HERTZ:
        last = log_from + np.log(highest / LOG_FROM_HERTZ) / LOG_STEP
    mels = np.linspace(0.0, last, count)
    above = LOG_FROM_HERTZ * np.exp(LOG_STEP * (mels - log_from))
    return np.where(mels >= log_from, above, LINEAR_HERTZ * mels)


def _filters(config: LogMelConfig) -> Any:
    return _filters_of(config.sample_rate, config.n_fft, config.mel_bands)
