"""Outside the graph: the 207 low-level audio descriptors of HitMusicNet."""

from __future__ import annotations

import numpy as np

from deephits_keras.types import Array

NAMES = (
    *(f"mfcc_{k}" for k in range(48)),
    *(f"chroma_{k}" for k in range(12)),
    *(f"mel_{k}" for k in range(128)),
    *(f"tonnetz_{k}" for k in range(6)),
    *(f"contrast_{k}" for k in range(7)),
    "zero_crossing_rate",
    "centroid",
    "rolloff_10",
    "rolloff_85",
    "bandwidth",
    "entropy_of_energy",
)

N_FFT, HOP = 2048, 512


def low_level(waveform: Array, sample_rate: int) -> Array:
    """The descriptors of `NAMES`, `(207,)` float32: means over frames, except for two.

    As in the authors' code (`analysis/` of their repository): `centroid` is that of the first
    frame, mel bands are powers, not in dB, and `entropy_of_energy` is
    sum q log10 q with q = |rms - mean rms|, where a q of 0 counts as 0 here (theirs gives NaN).

    Args:
        waveform: `(samples,)` float32, mono.
        sample_rate: Its sample rate in Hz.
    """
    import librosa

    # Minimum length of librosa's frames; a shorter recording is padded with silence.
    waveform = np.pad(waveform, (0, max(0, 2 * sample_rate - len(waveform))))
    feature = librosa.feature
    chroma = feature.chroma_cqt(y=waveform, sr=sample_rate, hop_length=HOP)
    spectrum = np.abs(librosa.stft(waveform, n_fft=N_FFT, hop_length=HOP))
    mel = feature.melspectrogram(S=spectrum**2, sr=sample_rate)
    levels = feature.rms(S=spectrum)[0]
    distance = np.abs(levels - levels.mean())
    known = distance > 0
    parts = (
        feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=48).mean(axis=1),
        chroma.mean(axis=1),
        mel.mean(axis=1),
        feature.tonnetz(chroma=chroma, sr=sample_rate).mean(axis=1),
        feature.spectral_contrast(S=spectrum, sr=sample_rate).mean(axis=1),
        feature.zero_crossing_rate(waveform, frame_length=N_FFT, hop_length=HOP).mean(axis=1),
        feature.spectral_centroid(S=spectrum, sr=sample_rate)[:, 0],
        feature.spectral_rolloff(S=spectrum, sr=sample_rate, roll_percent=0.1).mean(axis=1),
        feature.spectral_rolloff(S=spectrum, sr=sample_rate, roll_percent=0.85).mean(axis=1),
        feature.spectral_bandwidth(S=spectrum, sr=sample_rate).mean(axis=1),
        np.array([np.sum(distance[known] * np.log10(distance[known]))]),
    )
    numbers: Array = np.concatenate(parts).astype(np.float32)
    return numbers
