"""Spectrograms as pictures."""

from __future__ import annotations

import numpy as np

from deephits_keras.audio.spectrogram import DYNAMIC_RANGE
from deephits_keras.encoders.picture import Picture
from deephits_keras.types import Array


def spectrogram_picture(decibels: Array, caption: str) -> Picture:
    """A spectrogram, of which the loudest value is light and what is 80 dB below it dark.

    Args:
        decibels: `([windows,] bands, frames)` in dB, the lowest band first; windows are put one
            after the other.
        caption: What it shows; the range is added.

    Example:
        >>> picture = spectrogram_picture(np.array([[0.0, -40.0], [-80.0, -90.0]]), "Two bands")
        >>> picture.values.tolist(), picture.caption
        ([[0, 0], [255, 128]], 'Two bands; the range is 80 dB')
    """
    rows = np.hstack([*decibels]) if decibels.ndim == 3 else decibels
    shares = 1 + (rows.astype(np.float64) - rows.max()) / DYNAMIC_RANGE
    # Rounded as in log_mel.js, which draws the same picture in a page without a server.
    values = np.floor(255 * np.clip(shares, 0, 1) + 0.5).astype(np.uint8)
    return Picture(values[::-1], f"{caption}; the range is {DYNAMIC_RANGE:g} dB")


def mel_caption(seconds: float, rate: int, windows: int = 1) -> str:
    """What a mel spectrogram shows.

    Args:
        seconds: Length of a window.
        rate: Sample rate in Hz.
        windows: Number of windows.

    Example:
        >>> mel_caption(2.2291, 22_050)
        'Mel spectrogram of 2.23 s, from 0 Hz (below) to 11,025 Hz on the mel scale'
    """
    several = "" if windows == 1 else f"{windows} windows of "
    length = f"{float(f'{seconds:.3g}'):g}"
    return (
        f"Mel spectrogram of {several}{length} s, from 0 Hz (below) to {rate / 2:,.10g} Hz on the "
        "mel scale"
    )
