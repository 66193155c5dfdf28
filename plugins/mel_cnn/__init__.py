"""Log-mel spectrograms through the paper's residual CNN."""

from .encoder import MelCNN, MelCNNConfig

__all__ = ["MelCNN", "MelCNNConfig"]
