"""Outside the graph: lyrics -> words -> numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import murmurhash3_32

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
"""Letters and digits of any script, with apostrophes between them."""


def split(lyrics: str) -> list[str]:
    """The words of a text in order, in lower case and normalised (NFKC)."""
    text = unicodedata.normalize("NFKC", lyrics).casefold()
    return WORD.findall(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def numbers(words: Sequence[str], length: int, buckets: int) -> np.ndarray[Any, Any]:
    """`(length,)` int32: a number from 1 to `buckets` for each word, then zeros."""
    found = np.zeros(length, np.int32)
    found[: len(words)] = [murmurhash3_32(word, positive=True) % buckets + 1 for word in words]
    return found
