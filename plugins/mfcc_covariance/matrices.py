"""Outside the graph: the covariance of a recording's MFCCs and its inverse."""

from __future__ import annotations

import numpy as np

from deephits_keras.types import Array

RATE, N_FFT, HOP, BANDS, COEFFICIENTS = 44_100, 2048, 1024, 40, 13
"""As in Essentia's MusicExtractor."""

RIDGE = 1e-3
"""Added to the diagonal before the inversion, as a fraction of the mean variance."""

FLOOR = 1e-6
"""Smallest addition, for a recording without variation."""


def matrices(waveform: Array) -> Array:
    """Covariance and inverse covariance, `(13, 13, 2)` float32.

    Args:
        waveform: `(samples,)` float32 at 44,100 Hz, mono.
    """
    import librosa

    # Two frames, the fewest with a covariance.
    waveform = np.pad(waveform, (0, max(0, N_FFT + HOP - len(waveform))))
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS
    )
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=COEFFICIENTS)
    covariance = np.cov(mfcc.astype(np.float64))
    ridge = max(RIDGE * float(np.trace(covariance)) / COEFFICIENTS, FLOOR)
    inverse = np.linalg.inv(covariance + ridge * np.eye(COEFFICIENTS))
    both: Array = np.stack([covariance, inverse], axis=-1).astype(np.float32)
    return both
