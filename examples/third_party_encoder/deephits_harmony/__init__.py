"""Harmony for deephits-keras: chroma and tonnetz, whatever the key."""

from .encoder import ChromaTonnetz, ChromaTonnetzConfig

__all__ = ["ChromaTonnetz", "ChromaTonnetzConfig"]
