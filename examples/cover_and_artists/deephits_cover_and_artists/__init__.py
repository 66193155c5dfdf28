"""Two encoders for deephits-keras: cover art, and the graph of artists' collaborations."""

from .artists import ArtistGraph, ArtistGraphConfig
from .cover import CoverCNN, CoverCNNConfig

__all__ = ["ArtistGraph", "ArtistGraphConfig", "CoverCNN", "CoverCNNConfig"]
