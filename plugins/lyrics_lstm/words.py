"""Outside the graph: words -> numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import murmurhash3_32


def numbers(words: Sequence[str], length: int, buckets: int) -> np.ndarray[Any, Any]:
    """`(length,)` int32: a number from 1 to `buckets` for each word, then zeros."""
    found = np.zeros(length, np.int32)
    found[: len(words)] = [murmurhash3_32(word, positive=True) % buckets + 1 for word in words]
    return found
