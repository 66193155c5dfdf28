"""Settings of `mel_cnn`."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.encoders.contract import setting


@dataclass(frozen=True)
class MelCNNConfig(LogMelConfig):
    """Settings of `MelCNN`; the defaults are the paper's (Section 2.1, Table 2).

    Raises:
        ValueError: for a size out of range.
    """

    train_frames: int = setting(
        0, "frames of the random crop of each window that a training step uses; 0: all"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.train_frames <= self.frames:
            raise ValueError(
                f"train_frames must be from 0 to {self.frames}. Received: {self.train_frames}"
            )
