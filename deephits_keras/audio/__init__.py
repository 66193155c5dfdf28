"""Decoding and log-mel spectrograms: a toolbox for audio encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deephits_keras.audio.errors import AudioError

if TYPE_CHECKING:
    from deephits_keras.audio.decoding import load_audio, load_windows

__all__ = ["AudioError", "load_audio", "load_windows"]


def __getattr__(name: str) -> Any:
    """Import the decoders on first use, so that settings can be read without NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from deephits_keras.audio import decoding

    return getattr(decoding, name)
