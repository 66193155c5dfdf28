"""Outside the graph: waveform -> log-mel spectrogram, as librosa computes it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
import scipy.signal
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
    return np.asarray(scipy.signal.get_window("hann", n_fft, fftbins=True), dtype=np.float32)


@lru_cache(maxsize=8)
def _filters_of(sample_rate: int, n_fft: int, mel_bands: int) -> Any:
    from librosa.filters import mel as mel_filters

    return scipy.sparse.csr_array(mel_filters(sr=sample_rate, n_fft=n_fft, n_mels=mel_bands))


def _filters(config: LogMelConfig) -> Any:
    return _filters_of(config.sample_rate, config.n_fft, config.mel_bands)
