"""`CQTCNN`: a constant-Q spectrogram through convolutions over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from deephits_keras.encoders.picture import Picture

RATE, HOP, FRAMES, BINS = 22050, 1024, 322, 96
SAMPLES = HOP * FRAMES
BLOCKS = (((4, BINS), 4), ((4, 1), 4), ((4, 1), 1), ((1, 1), 1))
"""Kernel (frames, bins) and pooling over frames of each convolution."""


@dataclass(frozen=True)
class CQTCNNConfig(EncoderConfig):
    """Settings of `CQTCNN`."""

    channels: tuple[int, ...] = setting(
        (1024, 1024, 2048, 2048), "channels of the four convolutions"
    )
    dropout: float = setting(0.5, "dropout rate after each convolution")

    def __post_init__(self) -> None:
        if len(self.channels) != len(BLOCKS) or min(self.channels) < 1:
            raise ValueError(f"channels must be four positive numbers. Received: {self.channels}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1. Received: {self.dropout}")


class CQTCNN(SoundEncoder[CQTCNNConfig]):
    """Fifteen seconds as a constant-Q spectrogram, through convolutions over time.

    After the audio network of Oramas et al. (2017; sergiooramas/tartarus): 322 frames of 96
    semitones in dB, a convolution over all of them, then over time, with dropout; here the mean
    over the remaining 16 time steps is the embedding. 17 million parameters at the defaults.

    Example:
        >>> CQTCNN().feature_specs[0].shape
        (322, 96)
    """

    name = "cqt_cnn"
    modality = "cqt"
    version = "1"
    summary = "constant-Q spectrogram of 15 s of audio -> CNN over time -> 2048-D (Oramas 2017)"
    Config = CQTCNNConfig

    def __init__(self, config: CQTCNNConfig | None = None) -> None:
        super().__init__(config)
        self._mean, self._variance = 0.0, 1.0

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `cqt`: `(322, 96)` float16, dB."""
        return (FeatureSpec("cqt", (FRAMES, BINS), "float16", "constant-Q spectrogram, dB"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.channels[-1]

    def extract(self, track: Track) -> Features | None:
        """Decode and transform the middle 15 s; see the base class."""
        if track.audio is None:
            return None
        import librosa
        import numpy as np

        [middle] = self.load_windows(track, RATE, SAMPLES)
        clip = np.pad(middle, (0, SAMPLES - len(middle)))
        cqt = np.abs(librosa.cqt(y=clip, sr=RATE, hop_length=HOP, n_bins=BINS))[:, :FRAMES]
        return {"cqt": librosa.amplitude_to_db(cqt, ref=1.0).T.astype(np.float16)}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the mean and variance of all values of the training split."""
        from deephits_keras.encoders.moments import Moments

        moments = Moments.from_batches(batch["cqt"] for batch in batches)
        self._mean, self._variance = float(moments.mean[0]), float(moments.variance[0])

    def picture(self, features: Features) -> Picture | None:
        """The spectrogram."""
        from deephits_keras.audio.picture import spectrogram_picture

        caption = f"Constant-Q spectrogram of {SAMPLES / RATE:.3g} s, {BINS} semitones from C1"
        return spectrogram_picture(features["cqt"].T, caption)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 322, 96)` to `(batch, channels)`."""
        from keras import layers

        x = layers.Normalization(
            axis=None, mean=self._mean, variance=self._variance, name="z_score"
        )(inputs["cqt"])
        x = layers.Reshape((FRAMES, BINS, 1), name="channel")(x)
        for number, (channels, (kernel, pool)) in enumerate(
            zip(self.config.channels, BLOCKS, strict=True), start=1
        ):
            x = layers.Conv2D(channels, kernel, activation="relu", name=f"conv{number}")(x)
            if pool > 1:
                x = layers.MaxPooling2D((pool, 1), name=f"pool{number}")(x)
            x = layers.Dropout(self.config.dropout, name=f"dropout{number}")(x)
        return layers.GlobalAveragePooling2D(name="time_mean")(x)
