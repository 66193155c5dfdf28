"""Named columns (descriptors, metadata) through the paper's structured numeric branch."""

from .encoder import Numeric, NumericConfig

__all__ = ["Numeric", "NumericConfig"]
