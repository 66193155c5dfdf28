"""What an artist's earlier songs in the training split say of the next one."""

from .encoder import ArtistHistory, ArtistHistoryConfig

__all__ = ["ArtistHistory", "ArtistHistoryConfig"]
