"""Topics of lyrics."""

from .encoder import Topics, TopicsConfig

__all__ = ["Topics", "TopicsConfig"]
