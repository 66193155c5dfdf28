"""Calls of Python by TensorFlow's threads, and the wait for their end.

An iterator over a `tf.data.Dataset` that is dropped before its last batch waits for the calls that
were begun ahead. A thread that wants to call Python while the interpreter ends is stopped by it, so
that a process whose training failed or was interrupted would never end (TensorFlow 2.20 and 2.21).
"""

from __future__ import annotations

import atexit
import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import keras

P = ParamSpec("P")
Result = TypeVar("Result")

QUIET_SECONDS = 0.2
"""No call is expected any more if none ran or began for so long: batches are only read ahead until
the buffer is full."""

END_SECONDS = 0.03
"""The same at the end of an epoch, where nothing is read ahead: for a thread that has handed over
its batch and is not done with Python yet."""

MOST_SECONDS = 30.0
"""The wait ends after so long in any case."""

_lock = threading.Lock()
_running = 0
_last = -QUIET_SECONDS


def counted(function: Callable[P, Result]) -> Callable[P, Result]:
    """The function, with its calls known to `settle`, which is then called at exit as well."""
    _settle_at_exit()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        global _running, _last
        with _lock:
            _running += 1
        try:
            return function(*args, **kwargs)
        finally:
            with _lock:
                _running -= 1
                _last = time.monotonic()

    return call


def settle(quiet: float = QUIET_SECONDS) -> None:
    """Wait until no thread has called a counted function for some time.

    Args:
        quiet: That time in seconds.
    """
    deadline = time.monotonic() + MOST_SECONDS
    while (now := time.monotonic()) < deadline and (_running or now < _last + quiet):
        time.sleep(quiet / 10)


class Settled(keras.callbacks.Callback):  # type: ignore[misc]
    """Wait for TensorFlow's threads before Keras drops the iterator that they read for.

    It is dropped while Python is locked, so a thread that waits for Python would never get it.
    """

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """See the base class."""
        settle(QUIET_SECONDS if self.model.stop_training else END_SECONDS)

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """See the base class."""
        settle(END_SECONDS)


@functools.cache
def _settle_at_exit() -> None:
    # After TensorFlow is imported, so that it runs before what TensorFlow does at exit.
    atexit.register(settle)
