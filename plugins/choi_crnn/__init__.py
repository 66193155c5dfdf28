"""Choi's convolutional recurrent network, untrained or with the weights that were published."""

from .encoder import ChoiCRNN, ChoiCRNNConfig

__all__ = ["ChoiCRNN", "ChoiCRNNConfig"]
