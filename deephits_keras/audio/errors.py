"""The error of a recording that cannot be decoded."""

from __future__ import annotations

from deephits_keras.errors import DeepHitsError


class AudioError(DeepHitsError):
    """A recording can't be decoded; the message says which and why."""
