"""`MelCRNN`: a convolutional recurrent encoder of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.encoders.contract import setting


@dataclass(frozen=True)
class MelCRNNConfig(LogMelConfig):
    """Settings of `MelCRNN`: those of the spectrogram, and the embedding's size.

    Raises:
        ValueError: for a size that isn't positive.
    """

    units: int = setting(64, "size of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class MelCRNN(LogMelEncoder[MelCRNNConfig]):
    """The log-mel spectrogram of `LogMelEncoder` through convolutions, then GRUs over time.

    Similar to Choi et al. (2017), *Convolutional recurrent neural networks for music
    classification*. Their exact network, with other channels, another spectrogram and batch
    normalisation of the input, is `choi_crnn`; only that one can load the published weights. The
    recurrent layers model the order in time, over which a CNN averages. At the default 128 bands
    x 1292 frames the convolutions leave 13 time steps for the GRUs; below 192 frames only one.
    99,162 trainable parameters at the defaults.

    Example:
        >>> MelCRNN().embedding_size
        64
    """

    name = "mel_crnn"
    modality = "mel"
    version = "2"
    summary = "log-mel spectrogram of 30 s of audio -> CNN -> GRU -> 64-D, similar to Choi"
    Config = MelCRNNConfig

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, mel_bands, frames)`, or `(batch, windows, ...)`, to `(batch, units)`."""
        from deephits_keras.audio.shared import over_windows

        from .branch import crnn

        def branch(log_mel: Any) -> Any:
            return crnn(log_mel, mean=self.mean, variance=self.variance, units=self.config.units)

        return over_windows(self.augmented(inputs["log_mel"]), branch, self.config.pooling)
