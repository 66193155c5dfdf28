"""The errors a caller can be expected to handle.

`UserError` is a mistake in what was asked for (the command line exits with 2); any other
`DeepHitsError` is a job that could not be done as asked (exit 1).
"""

from __future__ import annotations


class DeepHitsError(Exception):
    """Base of every error this package raises on purpose."""


class UserError(DeepHitsError):
    """What was asked for can't be right: the message says what, where, and what to do."""
