"""The known name that a mistyped one probably means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """` (did you mean NAME?)` with the most similar known name; empty if none is similar.

    Example:
        >>> suggestion("enrgy", ["tempo", "energy"])
        ' (did you mean energy?)'
    """
    alike = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {alike[0]}?)" if alike else ""
