"""Six stylometric numbers of lyrics."""

from .encoder import Stylometry, StylometryConfig

__all__ = ["Stylometry", "StylometryConfig"]
