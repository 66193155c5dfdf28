"""`MelFCN`: the spectrogram through convolutions down to a single point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.audio.settings import LogMelConfig

EMBEDDING = 64


class MelFCN(LogMelEncoder[LogMelConfig]):
    """The log-mel spectrogram of `LogMelEncoder` through five convolutions with pooling.

    The network that the University of Innsbruck's databases group calls similar to M2 of Yang et
    al. (dbis-uibk/hit-prediction-code, `models/cnn.py`): 1292 frames padded to 1296, batch
    normalisation of the input, 64, 128, 128, 128 and 64 channels of 3 x 3. With dropout and one
    output, as theirs ends, 445,573 parameters, those of batch normalisation's averages included.

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
        """`(batch, mel_bands, frames)` to `(batch, 64)`."""
        from .branch import fcn

        return fcn(inputs["log_mel"], mean=self.mean, variance=self.variance)
