"""Lyrics through word embeddings of the model's own and a bidirectional LSTM."""

from .encoder import LyricsLSTM, LyricsLSTMConfig

__all__ = ["LyricsLSTM", "LyricsLSTMConfig"]
