"""A text as a vector of weighted word counts."""

from .encoder import TfidfText, TfidfTextConfig

__all__ = ["TfidfText", "TfidfTextConfig"]
