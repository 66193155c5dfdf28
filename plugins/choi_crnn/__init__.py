"""Choi's convolutional recurrent network, untrained or with the published weights."""

from .encoder import ChoiCRNN, ChoiCRNNConfig

__all__ = ["ChoiCRNN", "ChoiCRNNConfig"]
