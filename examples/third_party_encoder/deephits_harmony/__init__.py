"""Harmony for deephits-keras: chroma and tonnetz, independent of the key."""

from .encoder import ChromaTonnetz, ChromaTonnetzConfig

__all__ = ["ChromaTonnetz", "ChromaTonnetzConfig"]
