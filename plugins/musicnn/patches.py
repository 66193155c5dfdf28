"""Outside the graph: from a waveform to the spectrogram that the network hears."""

from __future__ import annotations

import numpy as np

from deephits_keras.types import Array

from .shapes import BANDS, FRAMES

RATE, N_FFT, HOP = 16000, 512, 256
SAMPLES = (FRAMES - 1) * HOP + N_FFT
"""Samples of a patch, 3 s: with its frames' own, and no padding."""


def patch_of(waveform: Array) -> Array:
    """The patch of a waveform at 16 kHz: `(187, 96)` float32, log10(10000 x + 1) of mel powers.

    A shorter waveform is repeated, as in musicnn's training. All is float32: musicnn's own code
    multiplies in float16, which since NumPy 2 is infinite in every loud song.

    Args:
        waveform: `(samples,)`, at most `SAMPLES` of them.
    """
    import librosa

    mel: Array = librosa.feature.melspectrogram(
        y=np.pad(waveform, (0, SAMPLES - len(waveform)), mode="wrap"),
        sr=RATE,
        n_fft=N_FFT,
        hop_length=HOP,
        n_mels=BANDS,
        center=False,
    )
    compressed: Array = np.log10(np.float32(10000) * mel.T + np.float32(1))
    return compressed
