"""A fully convolutional network of the log-mel spectrogram."""

from .encoder import MelFCN

__all__ = ["MelFCN"]
