"""Fields of a track by rank, with flags for unknown values, and categories."""

from .encoder import Tabular, TabularConfig

__all__ = ["Tabular", "TabularConfig"]
