"""`MelFCN`: a fully convolutional encoder of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.audio.settings import LogMelConfig

EMBEDDING = 64


class MelFCN(LogMelEncoder[LogMelConfig]):
    """The log-mel spectrogram of `LogMelEncoder` through five convolutions with pooling.

    The network of the University of Innsbruck's databases group, which they describe as similar to
    M2 of Yang et al. (dbis-uibk/hit-prediction-code, `models/cnn.py`): 1292 frames padded to 1296,
    batch normalisation of the input, 3 x 3 kernels with 64, 128, 128, 128 and 64 channels. With
    their dropout and single output it has 445,573 parameters, including moving averages.

    Example:
        >>> MelFCN().embedding_size
        64
    """

    name = "mel_fcn"
    modality = "mel"
    version = "1"
    summary = "log-mel spectrogram of 30 s of audio -> five convolutions -> 64-D (dbis FCN)"
    Config = LogMelConfig

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return EMBEDDING

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, mel_bands, frames)`, or `(batch, windows, ...)`, to `(batch, 64)`."""
        from deephits_keras.audio.shared import over_windows

        from .branch import fcn

        def branch(log_mel: Any) -> Any:
            return fcn(log_mel, mean=self.mean, variance=self.variance)

        return over_windows(self.augmented(inputs["log_mel"]), branch, self.config.pooling)
