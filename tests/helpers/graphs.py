"""TensorFlow with and without graphs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def without_graphs() -> Iterator[None]:
    """Run TensorFlow step by step, where a test trains for some steps and then looks.

    To trace a training step takes as long as a hundred steps of a small model. Trainings by graphs
    are tested in tests/training/test_trainer.py and wherever something is learned.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
