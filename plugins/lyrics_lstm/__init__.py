"""Lyrics through trained word embeddings and a bidirectional LSTM."""

from .config import LyricsLSTMConfig
from .encoder import LyricsLSTM

__all__ = ["LyricsLSTM", "LyricsLSTMConfig"]
