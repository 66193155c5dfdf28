"""The hit-song network of Yang et al. (2017), untrained or with the published weights."""

from .encoder import HitCNN, HitCNNConfig

__all__ = ["HitCNN", "HitCNNConfig"]
