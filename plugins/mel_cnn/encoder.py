"""`MelCNN`: the paper's low-level audio encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.encoders.features import Features
from deephits_keras.tracks import Track

from .config import MelCNNConfig

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableMel


class MelCNN(LogMelEncoder[MelCNNConfig]):
    """Thirty seconds of audio as a log-mel spectrogram, through a compact residual 2D-CNN.

    Outside the graph: mono at 22,050 Hz, log-mel of 128 Slaney bands x 1292 frames in dB, equal
    to librosa's own pipeline; a shorter recording is padded with silence. Stored as float16,
    which rounds a value of up to 128 dB by at most 0.03 dB.

    Thirty seconds are only a part of a song, a limitation that the paper states. With `windows`
    above 1, that many windows are spread over the recording and stored as one feature; the branch
    is applied to each with the same weights, and the embeddings are averaged, or weighted by
    attention (`pooling`).

    What small corpora need in training is off by default: masks over bands and time
    (SpecAugment), mixup, and random crops of `train_frames` frames. At inference they do nothing.

    Inside: z-scored by the mean and variance of the training split, then Table A1's branch:
    92,736 trainable parameters, a 64-D embedding.

    Example:
        >>> encoder = MelCNN(MelCNNConfig(frames=128))
        >>> encoder.feature_specs[0].shape
        (128, 128)
    """

    name = "mel_cnn"
    modality = "mel"
    version = "2"
    summary = "log-mel spectrogram of 30 s of audio -> residual CNN -> 64-D (Table A1)"
    default = True
    Config = MelCNNConfig

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return 64

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, mel_bands, frames)`, or `(batch, windows, ...)`, to `(batch, 64)`."""
        from deephits_keras.audio.shared import over_windows

        from .branch import residual_cnn

        def branch(log_mel: Any) -> Any:
            return residual_cnn(
                log_mel,
                mean=self.mean,
                variance=self.variance,
                any_frames=self.config.train_frames > 0,
            )

        return over_windows(self.augmented(inputs["log_mel"]), branch, self.config.pooling)

    def augmented(self, log_mel: Any) -> Any:
        """See the base class; crops come first, so that masks aren't cut off."""
        if self.config.train_frames:
            from deephits_keras.audio.augmentation import RandomCrop

            log_mel = RandomCrop(self.config.train_frames, name="crop")(log_mel)
        return super().augmented(log_mel)

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> ExplainableMel:
        """Attribute to the spectrogram; the baseline is constant at the training mean."""
        from .explaining import ExplainableMel

        del track
        return ExplainableMel(self.config, features, branch)
