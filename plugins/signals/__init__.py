"""Tables of social signals over time, in windows before a track's release."""

from .encoder import Signals, SignalsConfig

__all__ = ["Signals", "SignalsConfig"]
