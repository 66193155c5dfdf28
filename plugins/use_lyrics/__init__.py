"""Lyrics through Google's universal sentence encoder for sixteen languages."""

from .encoder import UseLyrics, UseLyricsConfig

__all__ = ["UseLyrics", "UseLyricsConfig"]
