"""Log-mel spectrograms through the paper's residual CNN."""

from .config import MelCNNConfig
from .encoder import MelCNN

__all__ = ["MelCNN", "MelCNNConfig"]
