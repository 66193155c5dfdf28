"""Words of a text in any script, and how often each occurs."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import mmh3
import numpy as np

from deephits_keras.types import Array

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
"""Letters and digits of any script, with apostrophes between them."""

SCRIPT = Path(__file__).with_name("words.js")
"""`words_of` and MurmurHash3 in JavaScript, for pages."""

MOST = 2048.0
"""Largest count: a power of two, below which float16 has every whole number."""


def words_of(text: str) -> list[str]:
    """The words of a text in order, in lower case and normalised (NFKC)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(folded.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))


def hash_of(text: str) -> int:
    """MurmurHash3 of a text in UTF-8 (x86, 32 bits, seed 0), from 0 to 2**32 - 1.

    Equal to `sklearn.utils.murmurhash3_32(text, positive=True)`, whose import takes longer than a
    song to score.

    Raises:
        UnicodeEncodeError: if the text isn't valid Unicode.

    Example:
        >>> hash_of("love")
        3508911095
    """
    # Encoded here: mmh3 ends the process over a text that can't be.
    return mmh3.hash(text.encode(), signed=False)


def word_counts(text: str, buckets: int) -> Array:
    """`(buckets,)` float16: how often the words of each bucket occur (MurmurHash3).

    Args:
        text: The text.
        buckets: Number of hash buckets.

    Raises:
        UnicodeEncodeError: if the text isn't valid Unicode.
    """
    text.encode()
    counts = np.zeros(buckets)
    for word in words_of(text):
        counts[hash_of(word) % buckets] += 1
    found: Array = np.minimum(counts, MOST).astype(np.float16)
    return found
