"""Errors of a device that runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deephits_keras.errors import DeepHitsError


@contextmanager
def explained(batch_size: int) -> Iterator[None]:
    """Convert a backend's out-of-memory error to a message that says what to do.

    Args:
        batch_size: Tracks per batch.

    Raises:
        DeepHitsError: instead of the backend's error.
    """
    try:
        yield
    except Exception as error:
        if not _ran_out(error):
            raise
        raise DeepHitsError(
            f"The memory of the device ran out in a step of {batch_size} tracks: train a new run "
            "with a smaller --batch-size, or continue with --resume where more memory is free. "
            "Finished epochs are kept"
        ) from error


def _ran_out(error: Exception) -> bool:
    """Some backends have a class for it; JAX, and PyTorch on a CPU, state it in the message."""
    classes = ("MemoryError", "ResourceExhaustedError", "OutOfMemoryError")
    names = {kind.__name__ for kind in type(error).__mro__}
    said = ("resource_exhausted", "out of memory", "can't allocate memory")
    return not names.isdisjoint(classes) or any(words in str(error).lower() for words in said)
