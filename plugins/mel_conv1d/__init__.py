"""Convolutions over time of a mel spectrogram with few bands."""

from .encoder import MelConv1D, MelConv1DConfig

__all__ = ["MelConv1D", "MelConv1DConfig"]
