"""`ChoiCRNN`: the network of Choi et al. (2017), as in their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.published import PublishedConfig, PublishedEncoder
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from deephits_keras.encoders.picture import Picture

RATE, N_FFT, HOP, BANDS, FRAMES = 12000, 512, 256, 96, 1366
SAMPLES = int(29.12 * RATE)
EMBEDDING = 32


@dataclass(frozen=True)
class ChoiCRNNConfig(PublishedConfig):
    """Settings of `ChoiCRNN`."""

    weights: str | None = setting(
        None, "file of the published weights; none: train from random weights", path=True
    )


class ChoiCRNN(SoundEncoder[ChoiCRNNConfig], PublishedEncoder[ChoiCRNNConfig]):
    """29.12 s at 12 kHz as 96 mel bands in dB, through four convolutions and two GRUs: 32 numbers.

    Choi et al. (ICASSP 2017), as in keunwoochoi/music-auto_tagging-keras. The published weights
    were trained on 50 tags of the Million Song Dataset (AUC 0.8662); `weights` names
    `music_tagger_crnn_weights_tensorflow.h5`. The decibels are those of the squared mel power, as
    in their code.

    Example:
        >>> ChoiCRNN().feature_specs[0].shape
        (96, 1366)
    """

    name = "choi_crnn"
    modality = "mel"
    version = "1"
    summary = "mel spectrogram of 29 s at 12 kHz -> CNN -> GRU over time -> 32-D (Choi 2017)"
    published_weights = "music_tagger_crnn, MIT, github.com/keunwoochoi/music-auto_tagging-keras"
    Config = ChoiCRNNConfig

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `mel`: `(96, 1366)` float32, dB."""
        return (FeatureSpec("mel", (BANDS, FRAMES), "float32", "mel spectrogram, dB"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return EMBEDDING

    def extract(self, track: Track) -> Features | None:
        """Decode and transform the middle 29.12 s; see the base class."""
        if track.audio is None:
            return None
        import librosa
        import numpy as np

        [clip] = self.load_windows(track, RATE, SAMPLES)
        clip = np.pad(clip, (0, SAMPLES - len(clip)))
        mel = librosa.feature.melspectrogram(
            y=clip, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS
        )
        return {"mel": librosa.power_to_db(mel**2, ref=1.0)[:, :FRAMES].astype(np.float32)}

    def picture(self, features: Features) -> Picture | None:
        """The spectrogram."""
        from deephits_keras.audio.picture import mel_caption, spectrogram_picture

        return spectrogram_picture(features["mel"], mel_caption(SAMPLES / RATE, RATE))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 96, 1366)` to `(batch, 32)`."""
        from .network import crnn, load

        embedding, made = crnn(inputs["mel"], trainable=self.trainable)
        if weights := self.weights_to_load:
            load(made, weights)
        return embedding
