"""Outside the graph: words -> numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deephits_keras.encoders.words import hash_of


def numbers(words: Sequence[str], length: int, buckets: int) -> np.ndarray[Any, Any]:
    """`(length,)` int32: a number from 1 to `buckets` for each word, then zeros."""
    found = np.zeros(length, np.int32)
    found[: len(words)] = [hash_of(word) % buckets + 1 for word in words]
    return found
