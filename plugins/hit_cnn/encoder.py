"""`HitCNN`: a mel spectrogram through a convolution over all bands, then over time."""

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

RATE, N_FFT, HOP, BANDS, FRAMES = 22050, 4096, 2048, 128, 323
EMBEDDING = 256


@dataclass(frozen=True)
class HitCNNConfig(PublishedConfig):
    """Settings of `HitCNN`."""

    weights: str | None = setting(
        None, "folder of HSP_CNN's checkpoint; none: train from random weights", path=True
    )
    inception: bool = setting(False, "use kernels of three sizes over the bands instead of one")
    pooling: str = setting("mean", "pooling over time", choices=("mean", "attention"))

    def __post_init__(self) -> None:
        if self.inception and self.weights:
            raise ValueError("the published weights are for inception=False")


class HitCNN(SoundEncoder[HitCNNConfig], PublishedEncoder[HitCNNConfig]):
    """Thirty seconds as mel powers, through the CNN of Yang et al. (ICASSP 2017) and Yu et al.

    As in their code (OckhamsRazor/HSP_CNN): 128 bands x 323 frames of power, not in dB;
    convolutions of 128 x 4 and 1 x 4 with pooling in between, two of 1 x 1, and the mean over 78
    time steps: an embedding of size 256. The published checkpoint was trained on the retention of
    listeners of KKBOX; `weights` names the folder with its `model.ckpt.index` and `.data` files.

    Example:
        >>> HitCNN().feature_specs[0].shape
        (128, 323)
    """

    name = "hit_cnn"
    modality = "mel"
    version = "1"
    summary = "mel powers of 30 s of audio -> CNN along time -> 256-D (Yang 2017)"
    published_weights = "HSP_CNN, Apache-2.0, github.com/OckhamsRazor/HSP_CNN (ret30.mdl)"
    Config = HitCNNConfig

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `mel`: `(128, 323)` float32, power."""
        return (FeatureSpec("mel", (BANDS, FRAMES), "float32", "mel power spectrogram"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return EMBEDDING

    def extract(self, track: Track) -> Features | None:
        """Decode and transform the middle 30 s; see the base class."""
        if track.audio is None:
            return None
        import librosa
        import numpy as np

        [clip] = self.load_windows(track, RATE, 30 * RATE)
        mel = librosa.feature.melspectrogram(
            y=np.pad(clip, (0, max(0, N_FFT - len(clip)))),
            sr=RATE,
            n_fft=N_FFT,
            hop_length=HOP,
            n_mels=BANDS,
        )[:, :FRAMES]
        return {"mel": np.pad(mel, ((0, 0), (0, FRAMES - mel.shape[1]))).astype(np.float32)}

    def picture(self, features: Features) -> Picture | None:
        """The spectrogram, in dB."""
        import numpy as np

        from deephits_keras.audio.picture import mel_caption, spectrogram_picture
        from deephits_keras.audio.spectrogram import POWER_FLOOR

        decibels = 10 * np.log10(np.maximum(features["mel"], POWER_FLOOR))
        return spectrogram_picture(decibels, mel_caption(FRAMES * HOP / RATE, RATE))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 128, 323)` to `(batch, 256)`."""
        from .network import branch, load_branch

        config = self.config
        embedding, made = branch(
            inputs["mel"],
            inception=config.inception,
            pooling=config.pooling,
            trainable=self.trainable,
        )
        if weights := self.weights_to_load:
            load_branch(made, weights)
        return embedding
