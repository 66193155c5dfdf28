"""Statistics of an artist's earlier songs in the training split."""

from .encoder import ArtistHistory, ArtistHistoryConfig

__all__ = ["ArtistHistory", "ArtistHistoryConfig"]
