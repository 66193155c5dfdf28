"""`MelCNN`: the paper's low-level audio encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders import (
    EncoderConfig,
    ExtractionError,
    Features,
    FeatureSpec,
    ModalityEncoder,
    setting,
)
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableMel

LARGEST = {
    "sample_rate": 768_000,
    "n_fft": 2**16,
    "hop_length": 2**16,
    "mel_bands": 2**12,
    "frames": 2**17,
}
"""No setting beyond these makes sense, and some would need more memory than there is."""


@dataclass(frozen=True)
class MelCNNConfig(EncoderConfig):
    """Settings of `MelCNN`; the defaults are the paper's (Section 2.1, Table 2)."""

    sample_rate: int = setting(22050, "Hz", changes_features=True)
    n_fft: int = setting(1024, "samples a window", changes_features=True)
    hop_length: int = setting(512, "samples from frame to frame", changes_features=True)
    mel_bands: int = setting(128, "mel bands from 0 Hz to half the rate", changes_features=True)
    frames: int = setting(1292, "frames of the clip: 1292 are 30 s", changes_features=True)
    crop: str = setting(
        "center",
        "which part of a longer recording",
        changes_features=True,
        choices=("center", "start"),
    )
    decoder: str = setting(
        "soundfile",
        "what decodes the recording",
        changes_features=True,
        choices=("soundfile", "tensorflow-io"),
    )

    def __post_init__(self) -> None:
        for name, highest in LARGEST.items():
            if not 1 <= getattr(self, name) <= highest:
                raise ValueError(
                    f"{name} must be from 1 to {highest}. Received: {getattr(self, name)}"
                )


class MelCNN(ModalityEncoder[MelCNNConfig]):
    """Thirty seconds of audio as a log-mel spectrogram, through a compact residual 2D-CNN.

    Outside the graph: mono at 22,050 Hz, log-mel of 128 Slaney bands x 1292 frames in dB, equal
    to librosa's own pipeline; a shorter recording is padded with silence. Stored as float16,
    which rounds a value of up to 128 dB by at most 0.03 dB.

    Inside: z-scored by the mean and variance of the training split, then Table A1's branch:
    92,736 trainable parameters, a 64-D embedding.

    Example:
        >>> encoder = MelCNN(MelCNNConfig(frames=128))
        >>> encoder.feature_specs[0].shape
        (128, 128)
    """

    name = "mel_cnn"
    modality = "mel"
    version = "1"
    summary = "log-mel spectrogram of 30 s of audio -> residual CNN -> 64-D (Table A1)"
    default = True
    Config = MelCNNConfig

    def __init__(self, config: MelCNNConfig | None = None) -> None:
        super().__init__(config)
        self._mean, self._variance = 0.0, 1.0

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `log_mel`: `(mel_bands, frames)` float16, dB."""
        shape = (self.config.mel_bands, self.config.frames)
        return (FeatureSpec("log_mel", shape, "float16", "log-mel power spectrogram, dB"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return 64

    def extract(self, track: Track) -> Features | None:
        """Decode and transform one recording; see the base class."""
        if track.audio is None:
            return None
        from deephits_keras.audio import AudioError, load_audio

        from .features import clip, log_mel

        config = self.config
        try:
            waveform = load_audio(track.audio, config.sample_rate, decoder=config.decoder)
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error
        return {"log_mel": log_mel(clip(waveform, config), config).astype("float16")}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Take the mean and variance of all values of the training split."""
        from .features import Moments

        moments = Moments()
        for batch in batches:
            moments.add(batch["log_mel"])
        self._mean, self._variance = moments.mean, moments.variance

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, mel_bands, frames)` to `(batch, 64)`."""
        from .branch import residual_cnn

        return residual_cnn(inputs["log_mel"], mean=self._mean, variance=self._variance)

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> ExplainableMel:
        """The spectrogram against an even one at the training tracks' mean level."""
        from .explaining import ExplainableMel

        del track
        return ExplainableMel(self.config, features, branch)
