"""`MelConv1D`: convolutions over time of a mel spectrogram with few bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.encoders.contract import setting


@dataclass(frozen=True)
class MelConv1DConfig(LogMelConfig):
    """Settings of `MelConv1D`."""

    mel_bands: int = setting(
        40, "number of mel bands, from 0 Hz to half the sample rate", changes_features=True
    )
    units: int = setting(64, "size of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class MelConv1D(LogMelEncoder[MelConv1DConfig]):
    """A log-mel spectrogram of 40 bands through two convolutions over time.

    A reconstruction of the audio network of Delbouys et al. (ISMIR 2018), whose code isn't public:
    the bands are channels; 32 and 16 filters of 8 frames, each followed by pooling over 4; a dense
    layer.

    Example:
        >>> MelConv1D().feature_specs[0].shape
        (40, 1292)
    """

    name = "mel_conv1d"
    modality = "mel"
    version = "1"
    summary = "40-band log-mel spectrogram -> convolutions over time -> 64-D (Delbouys 2018)"
    Config = MelConv1DConfig

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, mel_bands, frames)`, or `(batch, windows, ...)`, to `(batch, units)`."""
        from deephits_keras.audio.shared import over_windows

        from .branch import conv1d

        def branch(log_mel: Any) -> Any:
            return conv1d(log_mel, mean=self.mean, variance=self.variance, units=self.config.units)

        return over_windows(self.augmented(inputs["log_mel"]), branch, self.config.pooling)
