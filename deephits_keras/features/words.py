"""Words of categories that no training track has, of which a model can't know the meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.categories import category_word
from deephits_keras.encoders.inputs import word_fields
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.types import IntArray
from deephits_keras.utils.suggestions import suggestion

MOST_WORDS = 1000
"""Most words of a category that are recorded; a field with more is names, where new ones are
usual."""

SHOWN = 8
"""Most words that a note lists."""


def training_words(
    encoders: Iterable[AnyEncoder], corpus: Corpus, rows: IntArray
) -> dict[str, list[str]]:
    """The words that some tracks have, by field that an encoder declares as words of a category.

    The most frequent word is the first. Fields without any, and with more than `MOST_WORDS`, are
    left out.

    Args:
        encoders: The encoders.
        corpus: The corpus.
        rows: The training tracks.
    """
    names = dict.fromkeys(name for encoder in encoders for name in word_fields(encoder))
    counts = {name: _counts(corpus, name, rows) for name in names if name in corpus.columns}
    return {
        name: [word for word, _ in count.most_common()]
        for name, count in counts.items()
        if 0 < len(count) <= MOST_WORDS
    }


@dataclass(frozen=True)
class KnownWords:
    """The words that the training tracks of a model have, which finds others.

    Upper and lower case are the same.

    Attributes:
        words: Result of `training_words`.

    Example:
        >>> known = KnownWords({"genre": ["pop", "rock"]})
        >>> known.new_of({"genre": "Pop"}), known.new_of({"genre": "zydeco"})
        ({}, {'genre': 'zydeco'})
    """

    words: Mapping[str, list[str]] = field(default_factory=dict)

    @cached_property
    def _folded(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(map(str.casefold, known)) for name, known in self.words.items()}

    def _is_new(self, name: str, word: str) -> bool:
        return bool(word) and word.casefold() not in self._folded[name]

    def new_of(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """The words of a track that no training track has, by field."""
        found = {name: category_word(fields.get(name)) for name in self.words}
        return {name: word for name, word in found.items() if self._is_new(name, word)}

    def new_in(self, name: str, values: np.ndarray[Any, Any]) -> dict[int, str]:
        """The words of a field that no training track has, by row.

        Args:
            name: The field.
            values: `(rows,)` values, as `ModalityEncoder.extract_fields` takes them.
        """
        words = list(map(category_word, values.tolist()))
        new = {word for word in set(words) if self._is_new(name, word)}
        return {row: word for row, word in enumerate(words) if word in new} if new else {}

    def new_of_corpus(self, corpus: Corpus, rows: IntArray) -> dict[str, list[str]]:
        """The words of some tracks that no training track has, the most frequent first."""
        counts = {n: _counts(corpus, n, rows) for n in self.words if n in corpus.columns}
        found = {
            name: [word for word, _ in count.most_common() if self._is_new(name, word)]
            for name, count in counts.items()
        }
        return {name: words for name, words in found.items() if words}

    def note(self, name: str, word: str) -> str:
        """See `new_word_note`."""
        return new_word_note(name, word, self.words[name])

    def notes(self, new: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """A sentence per field with new words, which names the first of them."""
        for name, (word, *more) in new.items():
            others = "1 other word is" if len(more) == 1 else f"{len(more)} other words are"
            yield f"{self.note(name, word)}; {others} new, too" if more else self.note(name, word)


def new_word_note(field: str, word: str, known: list[str]) -> str:
    """One sentence on a word of a field that no training track has.

    Example:
        >>> new_word_note("explicit", "yes", ["False", "True"])
        "no training track has 'yes' as explicit, so the model can't use it; they have: False, True"
    """
    return (
        f"no training track has {word!r} as {field}{suggestion(word, known)}, so the model can't "
        f"use it; they have: {listed(known)}"
    )


def listed(words: Sequence[str]) -> str:
    """The first words of a field, and how many others there are."""
    others = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {others} others" if others > 0 else "")


def _counts(corpus: Corpus, name: str, rows: IntArray) -> Counter[str]:
    values = corpus.column(name).iloc[rows].dropna()
    lists = (value.tolist() if isinstance(value, np.ndarray) else value for value in values)
    counts = Counter(map(category_word, lists))
    counts.pop("", None)
    merged: Counter[str] = Counter()
    spelling: dict[str, str] = {}
    for word, count in counts.items():
        merged[spelling.setdefault(word.casefold(), word)] += count
    return merged
