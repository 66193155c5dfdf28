"""Artists in the forms that tables use, and keys that identify them.

Public tables hold a track's artists as a list, a Python or JSON literal, a dict of ids, objects
with an id and a name, or one text such as `A, B & C feat. D`. A separator in a text may also be
part of a name (`Earth, Wind & Fire`), so a text is split only if its parts are known artists (each
alone in another row of the table), or if the caller gives the separator.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from deephits_keras.corpus.literals import literal
from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.unknown import UNKNOWN

NOBODY = frozenset((*UNKNOWN - {"?", "."}, "unknown artist", "<unknown>"))
"""What stands for an unknown artist, in lower case; there are bands called `?` and `.`."""

FEATURING = re.compile(r"\s*[(\[]?\s*(?<!\w)(?:feat\.?|ft\.?|featuring)(?=\s)\s*", re.IGNORECASE)
SEPARATORS = re.compile(r"\s*(?:[;,/&+\u00d7|]|\s(?:x|and|with|vs\.?)\s)\s*", re.IGNORECASE)


def artist_key(name: str) -> str:
    r"""Normalised spelling of a name: compatibility forms, case and spaces are ignored.

    A mis-decoded `Beyonc\u00c3\u00a9` is `Beyonc\u00e9`.

    Example:
        >>> artist_key("  Beyonce\u0301  KNOWLES ") == artist_key("Beyonc\u00e9 Knowles")
        True
    """
    if "\u00c3" in name or "\u00c2" in name:
        # UTF-8 that was read as Windows-1252.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp1252").decode("utf-8")
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def listed_artists(value: Any) -> list[str] | None:
    """The artists of a value in list form; None for a plain text.

    Args:
        value: A list, tuple, array, mapping, or a text that is a Python or JSON literal of one.

    Returns:
        Ids if the value has them, else names, in order.

    Example:
        >>> listed_artists("['A', 'B']"), listed_artists("{'66CX': 'A'}"), listed_artists("A, B")
        (['A', 'B'], ['66CX'], None)
        >>> listed_artists([{"id": "66CX", "name": "A"}])
        ['66CX']
    """
    if isinstance(value, str):
        parsed = literal(value)
        return None if parsed is None else listed_artists(parsed)
    if isinstance(value, Mapping):
        if {"id", "name"} & set(value):
            return [str(value["id"] if value.get("id") else value["name"])]
        return [str(key) for key in value]
    if isinstance(value, Iterable):
        found = []
        for item in value:
            # Arrow returns a map as pairs of key and value.
            pair = isinstance(item, tuple) and len(item) == 2
            nested = item[0] if pair else item
            if _unknown(nested):
                continue
            if isinstance(nested, str) and nested.startswith("{"):
                # Objects in a list of Arrow's are kept as JSON.
                parsed = literal(nested)
                nested = parsed if isinstance(parsed, Mapping) else nested
            inner = listed_artists(nested) if isinstance(nested, Mapping) else [str(nested)]
            found += inner or []
        return found
    return None


def _unknown(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


class _Alone:
    """Keys of the texts that stand alone; the column is read once a separator makes it matter."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._values = values

    def __contains__(self, key: object) -> bool:
        return key in self._found

    @cached_property
    def _found(self) -> Lookup:
        alone = Lookup()
        for value in self._values:
            names = [] if _unknown(value) else listed_artists(value)
            if names is None and str(value).strip():
                names = [str(value)]
            if names and len(names) == 1:
                alone.add([(artist_key(names[0]),)])
        return alone


@dataclass
class ArtistKeys:
    """Converts a table's values for artists to keys.

    Attributes:
        alone: Keys of the texts that stand alone in a row of the table.
        separators: Texts that always separate artists, for example `;`.
        split: How many texts were taken for several artists.
        example: The first of them.
    """

    alone: Container[object]
    separators: Sequence[str] = ()
    split: int = 0
    example: str = ""
    _seen: Lookup = field(default_factory=Lookup, repr=False)

    @classmethod
    def from_values(cls, values: Iterable[Any], separators: Sequence[str] = ()) -> ArtistKeys:
        """Collect the artists that are alone in a row, in one pass over the column.

        The pass is made when the first text with a separator comes: most tables need none.
        """
        return cls(_Alone(values), tuple(separators))

    def of(self, value: Any) -> list[str]:
        """The keys of a track's artists, each once, in order; empty without artists.

        Example:
            >>> keys = ArtistKeys({"a", "b", "earth, wind & fire"})
            >>> keys.of("A feat. B"), keys.of("Earth, Wind & Fire")
            (['a', 'b'], ['earth, wind & fire'])
        """
        if _unknown(value) or (isinstance(value, str) and value.strip().casefold() in NOBODY):
            return []
        listed = listed_artists(value)
        names = [str(value)] if listed is None else listed
        keys: list[str] = []
        for name in names:
            keys += self._parts(name) if listed is None else [artist_key(name)]
        found = [key for key in dict.fromkeys(keys) if key]
        if listed is None and len(found) > 1:
            self.split += self._seen.add([(str(value),)]) == [True]
            self.example = self.example or str(value)
        return found

    @cached_property
    def _given(self) -> re.Pattern[str] | None:
        escaped = "|".join(re.escape(separator) for separator in self.separators)
        return re.compile(escaped) if escaped else None

    def _parts(self, text: str) -> list[str]:
        if self._given and len(pieces := self._given.split(text)) > 1:
            return [key for piece in pieces for key in self._parts(piece) if key]
        main, *guests = FEATURING.split(text)
        if guests and artist_key(main) in self.alone:
            named = [guest.rstrip(" )]") for guest in guests]
            return [key for name in (main, *named) for key in self._parts(name)]
        known = self._known_parts(text) if SEPARATORS.search(text) else []
        return known or [artist_key(text)]

    def _known_parts(self, text: str) -> list[str]:
        """Keys of a text that consists of known artists only; longest matches first."""
        cuts = [(match.start(), match.end()) for match in SEPARATORS.finditer(text)]
        starts = [0, *(end for _, end in cuts)]
        ends = [*(start for start, _ in cuts), len(text)]
        keys: list[str] = []
        at = 0
        while at < len(starts):
            for last in range(len(ends) - 1, at - 1, -1):
                piece = text[starts[at] : ends[last]]
                whole = at == 0 and last == len(ends) - 1
                if not whole and artist_key(piece) in self.alone:
                    keys += self._known_parts(piece) or [artist_key(piece)]
                    at = last + 1
                    break
            else:
                return []
        return keys


def possible_names(value: Any) -> list[str]:
    """Keys of every part of a value that may be an artist, for careful comparisons.

    Example:
        >>> possible_names("Earth, Wind & Fire feat. A")
        ['earth', 'wind', 'fire', 'a']
    """
    if _unknown(value):
        return []
    names = listed_artists(value)
    if names is not None:
        return [artist_key(name) for name in names]
    pieces = [piece for part in FEATURING.split(str(value)) for piece in SEPARATORS.split(part)]
    return [key for piece in pieces if (key := artist_key(piece.strip(" ()[]")))]
