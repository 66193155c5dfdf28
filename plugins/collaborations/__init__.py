"""Who recorded with whom before a song, from the training split."""

from .encoder import Collaborations, CollaborationsConfig

__all__ = ["Collaborations", "CollaborationsConfig"]
