"""Words of categories, such as a genre or a language."""

from __future__ import annotations

import re
from typing import Any

WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)
"""Texts that are a whole number."""


def category_word(value: Any) -> str:
    """The word of a category that a field's value is; empty where it is unknown.

    A whole number is the same word however it is written, and of a list the first element counts.

    Example:
        >>> category_word([" Pop ", "Rock"]), category_word(1.0), category_word("1")
        ('Pop', '1', '1')
    """
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if value is None or value != value:
        return ""
    word = str(value).strip()
    return str(int(float(word))) if WHOLE.fullmatch(word) else word
