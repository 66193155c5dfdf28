"""Settings of `lyrics_lstm`."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.encoders.contract import EncoderConfig, setting


@dataclass(frozen=True)
class LyricsLSTMConfig(EncoderConfig):
    """Settings of `LyricsLSTM`.

    Raises:
        ValueError: for a size that isn't positive.
    """

    max_words: int = setting(1024, "most words per track", changes_features=True)
    buckets: int = setting(
        20_000,
        "number of hash buckets; words in the same bucket share an embedding",
        changes_features=True,
    )
    word_size: int = setting(64, "size of a word's embedding")
    states: int = setting(64, "size of the LSTM's state per direction")
    units: int = setting(128, "size of the embedding")

    def __post_init__(self) -> None:
        for name in ("max_words", "buckets", "word_size", "states", "units"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive. Received: {getattr(self, name)}")
