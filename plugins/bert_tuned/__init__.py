"""Lyrics -> frozen lower layers of BERT -> its last layers, trained -> embedding."""

from .config import BertTunedConfig
from .encoder import BertTuned

__all__ = ["BertTuned", "BertTunedConfig"]
