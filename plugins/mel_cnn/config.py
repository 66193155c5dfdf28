"""Settings of `mel_cnn`."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.audio.settings import LogMelConfig


@dataclass(frozen=True)
class MelCNNConfig(LogMelConfig):
    """Settings of `MelCNN`; the defaults are the paper's (Section 2.1, Table 2)."""
