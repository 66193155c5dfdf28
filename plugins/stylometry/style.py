"""Outside the graph: compute the six numbers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import numpy as np

from deephits_keras.types import Array

NAMES = (
    "sentences",
    "words_per_sentence",
    "words",
    "syllables_per_word",
    "sentence_similarity",
    "vocabulary_wealth",
)
ALIKE = 0.4
"""Minimum cosine of two lines' TF-IDF vectors that count as similar."""
MOST = 0.8
"""Fraction of all words that the most frequent words must cover."""
LONGEST = 1000
"""Most lines that are compared."""

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
VOWELS = re.compile(r"[aeiouy]+")


def style_of(text: str) -> Array | None:
    """The numbers of `NAMES`, `(6,)` float32; None for a text without words.

    A line counts as a sentence, as in HitMusicNet. Syllables are groups of Latin vowels, at least
    one per word; HitMusicNet uses a hyphenation dictionary of the detected language, and removes
    its stop words.
    """
    lines = [words for line in text.splitlines() if (words := WORD.findall(line.lower()))]
    if not lines:
        return None
    words = [word for line in lines for word in line]
    syllables = [max(1, len(VOWELS.findall(_plain(word)))) for word in words]
    numbers = (
        len(lines),
        len(words) / len(lines),
        len(words),
        float(np.mean(syllables)),
        _similarity(lines[:LONGEST]),
        _wealth(words),
    )
    return np.array(numbers, np.float32)


def _plain(word: str) -> str:
    """Remove the accents of a word."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))


def _similarity(lines: list[list[str]]) -> float:
    """Fraction of the pairs of lines whose TF-IDF vectors have a cosine of `ALIKE` or more."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(lines) < 2:
        return 0.0
    vectors = TfidfVectorizer(analyzer=lambda words: words).fit_transform(lines)
    cosines = (vectors @ vectors.T).toarray()
    pairs = cosines[np.triu_indices(len(lines), k=1)]
    return float((pairs >= ALIKE).mean())


def _wealth(words: list[str]) -> float:
    """Fraction of the distinct words that make up `MOST` of all words."""
    counts = np.sort(list(Counter(words).values()))[::-1]
    needed = int(np.searchsorted(np.cumsum(counts), MOST * len(words))) + 1
    return needed / len(counts)
