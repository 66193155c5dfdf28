"""Lyrics through word embeddings of the model's own and a bidirectional LSTM."""

from .config import LyricsLSTMConfig
from .encoder import LyricsLSTM

__all__ = ["LyricsLSTM", "LyricsLSTMConfig"]
