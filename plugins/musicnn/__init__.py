"""The music taggers of Pons and Serra (2019), as features or fine-tuned."""

from .config import MusicnnConfig
from .encoder import Musicnn

__all__ = ["Musicnn", "MusicnnConfig"]
