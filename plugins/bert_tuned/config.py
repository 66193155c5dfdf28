"""Settings of `BertTuned`."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.encoders.contract import setting

from ..bert_lyrics.base import CheckpointConfig


@dataclass(frozen=True)
class BertTunedConfig(CheckpointConfig):
    """Settings of `BertTuned`.

    Raises:
        ValueError: for a size that isn't positive, or `max_tokens` below 3 ([CLS], one piece,
            [SEP]).
    """

    max_tokens: int = setting(
        128,
        "most WordPiece tokens per text, including [CLS] and [SEP]; the rest is cut off",
        changes_features=True,
    )
    layers: int = setting(
        2, "number of BERT's last layers that are in the model", changes_features=True
    )
    rank: int = setting(8, "rank of the change to each kernel of these layers; 0: any")
    rate: float = setting(1.0, "what the change is multiplied by, a rate of learning")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers < 1:
            raise ValueError(f"layers must be positive. Received: {self.layers}")
        if self.rank < 0:
            raise ValueError(f"rank must not be negative. Received: {self.rank}")
        if not self.rate > 0:
            raise ValueError(f"rate must be above 0. Received: {self.rate}")
