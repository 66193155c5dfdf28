"""Words of categories that no training track has, of which a model can't know the meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

Words = Mapping[str, list[str]]
"""The words that training tracks have, the most frequent first, by field."""


def training_words(encoders: Iterable[AnyEncoder], corpus: Corpus, rows: IntArray) -> Words:
    """The words that some tracks have, by field that an encoder declares as words of a category.

    Fields without any, and with more than `MOST_WORDS`, are left out.

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


def new_words(known: Words, fields: Mapping[str, Any]) -> dict[str, str]:
    """The words of a track that no training track has, by field.

    Args:
        known: Result of `training_words`.
        fields: The track's fields.
    """
    found = {name: category_word(fields.get(name)) for name in known}
    return {name: word for name, word in found.items() if word and is_new(known[name], word)}


def new_words_in(known: Words, name: str, values: np.ndarray[Any, Any]) -> dict[int, str]:
    """The words of a field that no training track has, by row.

    Args:
        known: Result of `training_words`.
        name: The field.
        values: `(rows,)` values, as `ModalityEncoder.extract_fields` takes them.
    """
    words = list(map(category_word, values.tolist()))
    new = {word for word in set(words) if word and is_new(known[name], word)}
    return {row: word for row, word in enumerate(words) if word in new} if new else {}


def new_words_of(known: Words, corpus: Corpus, rows: IntArray) -> dict[str, list[str]]:
    """The words of some tracks of a corpus that no training track has, the most frequent first."""
    counts = {name: _counts(corpus, name, rows) for name in known if name in corpus.columns}
    return {
        name: found
        for name, count in counts.items()
        if (found := [word for word, _ in count.most_common() if is_new(known[name], word)])
    }


def is_new(known: list[str], word: str) -> bool:
    """Whether a word isn't among those of a field; upper and lower case are the same."""
    return word.casefold() not in {each.casefold() for each in known}


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


def new_word_notes(known: Words, new: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A sentence per field with new words, which names the first of them."""
    for field, (word, *more) in new.items():
        note = new_word_note(field, word, known[field])
        others = "1 other word is" if len(more) == 1 else f"{len(more)} other words are"
        yield f"{note}; {others} new, too" if more else note


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
