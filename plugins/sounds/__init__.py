"""How often each of the corpus's typical sounds occurs in a recording."""

from .encoder import Sounds, SoundsConfig

__all__ = ["Sounds", "SoundsConfig"]
