"""Errors that callers may handle.

`UserError` is an invalid argument or input (the command line exits with 2); any other
`DeepHitsError` is a task that failed (exit code 1).
"""

from __future__ import annotations


class DeepHitsError(Exception):
    """Base class of the errors of this package."""


class UserError(DeepHitsError):
    """An argument or input is invalid; the message says what, where, and what to do."""
