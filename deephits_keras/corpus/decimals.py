"""Detect whether a column has decimal points or decimal commas.

`1.205` alone may be 1.205 or 1205: the other values of its column decide, so that no value is read
against them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from deephits_keras.corpus.values import STANDARD
from deephits_keras.corpus.written import ONE_SEPARATOR

NUMBER = re.compile(r"\s*[+-]?(?P<number>\d*(?:[.,]\d+)+(?:[eE][+-]?\d+)?)(?![\d.,:/-])")


def decimal_marks(rows: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, str]:
    """The decimal mark of each standard column of texts that has numbers with separators.

    Values that can be read in one way only decide, by majority: `12,5`, `0,125` and `1.200,5`
    against `12.5` and `1,205,000`. Without any, a column whose numbers mostly have no separator has
    decimal points; otherwise `written_number` decides by the column's range.

    Args:
        rows: The table's first rows.
        columns: The table's column of each standard name.

    Returns:
        `.` or `,` by standard name; columns without a decision aren't contained.

    Example:
        >>> rows = pd.DataFrame({"popularity": ["12,5", "1.205", "7"], "tempo": ["98,123"] * 3})
        >>> decimal_marks(rows, {"popularity": "popularity", "tempo": "tempo"})
        {'popularity': ','}
    """
    found = {}
    for name in STANDARD:
        column = columns.get(name)
        if column in rows and not pd.api.types.is_numeric_dtype(rows[column]):
            mark = _mark(rows[column])
            if mark:
                found[name] = mark
    return found


def mark_notes(marks: Mapping[str, str], columns: Mapping[str, str]) -> list[str]:
    """Note on columns with decimal commas."""
    named = [columns.get(name, name) for name, mark in marks.items() if mark == ","]
    if not named:
        return []
    has = "has" if len(named) == 1 else "have"
    return [f"{', '.join(named)} {has} decimal commas: a point stands between thousands there"]


def _mark(values: pd.Series[Any]) -> str:
    texts = values.dropna().astype("string")
    separated = texts[texts.str.contains(r"[.,]\d", regex=True).fillna(False)]
    points = commas = ambiguous = 0
    for text in separated:
        match = NUMBER.match(text)
        if match is None:
            continue
        number = match["number"]
        if ONE_SEPARATOR.match(number):
            ambiguous += 1
            continue
        mark = _decimal(number)
        points, commas = points + (mark == "."), commas + (mark == ",")
    if points != commas:
        return "." if points > commas else ","
    return "." if ambiguous and not points and 2 * ambiguous < len(texts) else ""


def _decimal(number: str) -> str:
    """The decimal mark of a number that can be read in one way only."""
    marks = re.findall(r"[.,]", number)
    if len(set(marks)) == 1 and len(marks) > 1:
        # Thousands: the decimal mark is the other one.
        return "," if marks[0] == "." else "."
    return str(marks[-1])
