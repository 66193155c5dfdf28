"""The known name that a mistyped one probably means."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` with the most similar known name; empty if none is similar.

    Of equally similar names the one that begins most like it.

    Example:
        >>> suggestion("enrgy", ["tempo", "energy"])
        ' (did you mean energy?)'
    """

    def nearness(other: str) -> tuple[float, int]:
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(name, other, strict=False))
        return difflib.SequenceMatcher(None, other, name).ratio(), len(list(same))

    alike = difflib.get_close_matches(name, known)
    return f" (did you mean {max(alike, key=nearness)}?)" if alike else ""
