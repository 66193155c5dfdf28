"""Means of low-level descriptors of a recording, as HitMusicNet computes them."""

from .encoder import LowLevel, LowLevelConfig

__all__ = ["LowLevel", "LowLevelConfig"]
