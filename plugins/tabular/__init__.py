"""Fields of a track by their rank, with flags for what is unknown, and categories."""

from .encoder import Tabular, TabularConfig

__all__ = ["Tabular", "TabularConfig"]
