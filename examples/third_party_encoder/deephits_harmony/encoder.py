"""`ChromaTonnetz`: the chords of a recording and how they change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from deephits_keras import (
    AUDIO,
    EncoderConfig,
    ExtractionError,
    FeatureSpec,
    ModalityEncoder,
    setting,
)
from deephits_keras.audio import AudioError, load_audio

PITCH_CLASSES = 12
TONNETZ_AXES = 6


@dataclass(frozen=True)
class ChromaTonnetzConfig(EncoderConfig):
    """Settings of `ChromaTonnetz`."""

    sample_rate: int = setting(22_050, "sample rate in Hz", changes_features=True)
    hop_length: int = setting(2048, "hop length in samples", changes_features=True)
    segments: int = setting(32, "number of segments of equal length", changes_features=True)
    filters: int = setting(16, "filters of each convolution over time")
    units: int = setting(32, "size of the embedding")

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.hop_length, self.filters, self.units) < 1:
            raise ValueError("every setting must be positive")
        if self.segments < 2:
            raise ValueError(f"segments must be at least 2. Received: {self.segments}")


class ChromaTonnetz(ModalityEncoder[ChromaTonnetzConfig]):
    """Chroma and tonnetz of 32 segments of a recording, read independently of the key.

    Outside the graph: librosa's chromagram (STFT, 12 pitch classes, each frame's loudest is 1)
    and its tonal centroids, averaged over each segment; a silent one is all zeros.

    Inside, what a transposition doesn't change: the magnitudes of the chroma's Fourier transform
    over the pitch classes, and how far the tonal centroid moves in each of the three planes from
    one segment to the next (Harte, Sandler and Gasser 2006). Both go through two convolutions
    over time, the mean over the segments, and a dense layer.
    """

    name = "chroma_tonnetz"
    modality = "harmony"
    version = "1"
    summary = "chroma and tonnetz of 32 segments -> convolutions over time -> 32-D"
    Config = ChromaTonnetzConfig
    inputs = (AUDIO,)

    @property
    def feature_specs(self):
        """`chroma` `(segments, 12)` and `tonnetz` `(segments, 6)`, float32."""
        count = self.config.segments
        return (
            FeatureSpec("chroma", (count, PITCH_CLASSES), "float32", "energy a class, 0 to 1"),
            FeatureSpec("tonnetz", (count, TONNETZ_AXES), "float32", "tonal centroid, -1 to 1"),
        )

    @property
    def embedding_size(self):
        """The setting `units`."""
        return self.config.units

    def extract(self, track):
        """Chroma and tonnetz of a track's recording; None if it has none."""
        if track.audio is None:
            return None
        import librosa

        config = self.config
        try:
            waveform = load_audio(track.audio, config.sample_rate)
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error
        chroma = librosa.feature.chroma_stft(
            y=waveform, sr=config.sample_rate, hop_length=config.hop_length, tuning=0.0
        )
        tonnetz = librosa.feature.tonnetz(chroma=chroma, sr=config.sample_rate)
        return {
            "chroma": segment_means(chroma, config.segments),
            "tonnetz": segment_means(tonnetz, config.segments),
        }

    def build(self, inputs):
        """A batch's chroma and tonnetz to its embeddings, `(batch, units)`."""
        from keras import layers, ops

        chords = layers.Concatenate(name="chords")(
            [fourier_magnitudes(inputs["chroma"][:, 1:]), harmonic_changes(inputs["tonnetz"])]
        )
        x = layers.Conv1D(self.config.filters, 3, padding="same", activation="relu")(chords)
        x = layers.Conv1D(self.config.filters, 3, padding="same", activation="relu")(x)
        x = ops.mean(x, axis=1)
        return layers.Dense(self.config.units, activation="relu", name="harmony_embedding")(x)


def segment_means(frames: np.ndarray, segments: int) -> np.ndarray:
    """`(rows, frames)` to the mean of each of `segments` stretches of time, `(segments, rows)`."""
    edges = np.linspace(0, frames.shape[1], segments + 1)
    return np.stack(
        [
            frames[:, int(start) : max(int(end), int(start) + 1)].mean(axis=1)
            for start, end in itertools.pairwise(edges)
        ]
    ).astype("float32")


def fourier_magnitudes(chroma):
    """`(batch, segments, 12)` to the 7 magnitudes of its transform over the pitch classes."""
    from keras import ops

    angles = 2 * np.pi / PITCH_CLASSES * np.outer(np.arange(PITCH_CLASSES), np.arange(7))
    real = ops.matmul(chroma, np.cos(angles).astype("float32"))
    imaginary = ops.matmul(chroma, np.sin(angles).astype("float32"))
    return lengths(real, imaginary)


def harmonic_changes(tonnetz):
    """`(batch, segments, 6)` to the way in each plane to the next, `(batch, segments - 1, 3)`."""
    steps = tonnetz[:, 1:] - tonnetz[:, :-1]
    return lengths(steps[..., 0::2], steps[..., 1::2])


def lengths(x, y):
    """Length of each vector `(x, y)`."""
    from keras import ops

    # The gradient of a root is infinite at zero, which a silent or missing segment is.
    return ops.sqrt(x**2 + y**2 + 1e-6)
