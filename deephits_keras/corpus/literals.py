"""Lists and dicts that a table holds as text: JSON, Python, or as NumPy prints them."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

LONGEST_LITERAL = 2**16
"""Longest text in characters that is read as a list or a dict."""

APART = re.compile(r"(?<=['\"])[ \n]+(?=['\"])")
"""What stands between the texts of a NumPy array, which Python would join to one."""

QUOTED = re.compile(r"\[\s*'(.*)'\s*\]", re.DOTALL)
BETWEEN = re.compile(r"'\s*,\s*'")

PLAIN = re.compile(r"\['([^'\\\x00-\x1f]*(?:', '[^'\\\x00-\x1f]*)*)'\]")
"""Python's list of texts without escapes, which needs no parser: a compiler costs 20 times more."""


def plain_list(text: str) -> list[str] | None:
    """The texts of Python's plainest list of texts, the commonest; None for any other text.

    Example:
        >>> plain_list("['A', 'B']"), plain_list("[]"), plain_list('["A"]')
        (['A', 'B'], None, None)
    """
    found = PLAIN.fullmatch(text)
    return found[1].split("', '") if found else None


def literal(text: str) -> Any:
    """The list, tuple or dict of a text, or None.

    Example:
        >>> literal("['A', 'B']"), literal('{"id": 1}'), literal("['A' 'B']"), literal("[Verse 1]")
        (['A', 'B'], {'id': 1}, ['A', 'B'], None)
        >>> literal("['Guns N' Roses', 'B']")
        ["Guns N' Roses", 'B']
    """
    text = text.strip()
    if not text.startswith(("[", "{", "(")) or len(text) > LONGEST_LITERAL:
        return None
    if (plain := plain_list(text)) is not None:
        return plain
    if text.startswith("["):
        text = APART.sub(", ", text)
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, list | tuple | dict):
            return value
    # Written without escapes: apostrophes end a text too early.
    quoted = QUOTED.fullmatch(text)
    return BETWEEN.split(quoted[1]) if quoted else None
