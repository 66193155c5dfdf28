"""How a text is written, in six numbers."""

from .encoder import Stylometry, StylometryConfig

__all__ = ["Stylometry", "StylometryConfig"]
