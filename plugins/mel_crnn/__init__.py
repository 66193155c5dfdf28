"""Log-mel spectrograms through a convolutional recurrent network."""

from .encoder import MelCRNN, MelCRNNConfig

__all__ = ["MelCRNN", "MelCRNNConfig"]
