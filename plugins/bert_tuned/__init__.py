"""Lyrics -> frozen lower layers of BERT -> its last layers, trained -> embedding."""

from .encoder import BertTuned, BertTunedConfig

__all__ = ["BertTuned", "BertTunedConfig"]
