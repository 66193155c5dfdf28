"""Two encoders for deephits-keras: a release's cover art, and who made music with whom."""

from .artists import ArtistGraph, ArtistGraphConfig
from .cover import CoverCNN, CoverCNNConfig

__all__ = ["ArtistGraph", "ArtistGraphConfig", "CoverCNN", "CoverCNNConfig"]
