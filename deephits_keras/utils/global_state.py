"""State of the whole process that a caller owns: changed in a block, and then as it was before."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Leave Python's, NumPy's and PyTorch's global generators as they were before a block.

    Whoever makes a Keras layer draws from them: its seeds. (TensorFlow's global seed has no public
    way back; Keras' layers don't draw from it.)

    Example:
        >>> random.seed(1)
        >>> first = random.random()
        >>> random.seed(1)
        >>> with generators_kept():
        ...     ignored = random.random()
        >>> random.random() == first
        True
    """
    import numpy as np

    states = random.getstate(), np.random.get_state()
    generator = _torch_generator()
    drawn = generator.get_state() if generator else None
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        if generator:
            generator.set_state(drawn)


@contextlib.contextmanager
def seeded(seed: int, policy: str | None = None) -> Iterator[None]:
    """Seed Keras for a block, in which layers are made with a dtype policy.

    Afterwards the global generators and the policy are what they were.

    Args:
        seed: As of `keras.utils.set_random_seed`.
        policy: Name of a dtype policy; the current one by default.
    """
    import keras

    before: Any = keras.config.dtype_policy()
    with generators_kept():
        try:
            if policy is not None:
                keras.config.set_dtype_policy(policy)
            keras.utils.set_random_seed(seed)
            yield
        finally:
            keras.config.set_dtype_policy(before)


def _torch_generator() -> Any:
    """PyTorch's global generator where Keras draws from it, else None."""
    import keras

    if keras.backend.backend() != "torch":
        return None
    import torch

    return torch.default_generator


@contextlib.contextmanager
def errors_only(name: str) -> Iterator[None]:
    """Let a logger pass errors alone for a block."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
