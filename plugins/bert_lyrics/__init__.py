"""Lyrics -> frozen BERT -> pooled [CLS] vector -> embedding (paper, Sections 2.1 and 2.2.1)."""

from .encoder import BertLyrics, BertLyricsConfig

__all__ = ["BertLyrics", "BertLyricsConfig"]
