"""Detect the unit of a column by its name and its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.names import LONGEST_SECONDS, UNITS, UNSTATED, normal
from deephits_keras.corpus.values import STANDARD, read_numbers
from deephits_keras.corpus.written import THOUSANDS

SHARES = frozenset(
    name for name, column in STANDARD.items() if column.high == 1 and not column.whole
)
"""Columns from 0 to 1, which may also be in percent."""

LONGEST_MINUTES = 20
"""Limit of the median duration, in seconds or minutes."""

PLAIN = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
"""A number that tells nothing but itself."""

UNITLESS = r"[\d.,'\seE+-]+"
"""A number in any form, without a unit."""

UNIT_NAMES = {1e3: "seconds", 6e4: "minutes", 0.01: "percent"}


def unit_factors(
    rows: pd.DataFrame, columns: Mapping[str, str], marks: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Factors that convert standard columns to standard units.

    A duration is in the unit of its column's name, unless the median is impossible in that unit; if
    the name has no unit and the median is small, in seconds or minutes. A fraction is in percent if
    the name says so, or if most non-zero values are above 1.

    Args:
        rows: The table's first rows.
        columns: The table's column of each standard name.
        marks: Decimal marks by standard name.

    Example:
        >>> rows = pd.DataFrame({"length": ["201.5", "180"], "energy": ["80", "7"]})
        >>> unit_factors(rows, {"duration_ms": "length", "energy": "energy"})
        {'duration_ms': 1000.0, 'energy': 0.01}
    """
    factors: dict[str, float] = {}
    marks = marks or {}
    for name in ("duration_ms", *sorted(SHARES)):
        if (column := columns.get(name)) in rows and column is not None:
            numbers, _ = read_numbers(_plain(rows[column]), name, mark=marks.get(name, ""))
            known = numbers[np.isfinite(numbers) & (numbers != 0)]
            if len(known):
                measure = _duration if name == "duration_ms" else _share
                factors[name] = measure(column, known)
    percent = [name for name, factor in factors.items() if factor == 0.01]
    if 2 * len(percent) > len(SHARES & set(factors)):
        # For a column that is nearly always 0, use the other columns of the table.
        for name in SHARES & set(factors) - set(percent):
            numbers, _ = read_numbers(rows[columns[name]], name, mark=marks.get(name, ""))
            factors[name] = 0.01 if numbers.max() > 1 else factors[name]
    return factors


def unit_notes(factors: Mapping[str, float], columns: Mapping[str, str]) -> list[str]:
    """Notes on columns in other units."""
    notes = []
    for factor, unit in UNIT_NAMES.items():
        named = [columns.get(name, name) for name, found in factors.items() if found == factor]
        if named:
            verb = "is" if len(named) == 1 else "are"
            notes.append(f"{', '.join(named)} {verb} in {unit}: read as such")
    return notes


def differing_units(
    factors: Mapping[str, float],
    by_size: Mapping[str, float],
    columns: Mapping[str, str],
    rows: pd.DataFrame,
) -> list[str]:
    """Notes on columns that are read in another table's units, which their values speak against.

    Args:
        factors: The factors that are used.
        by_size: Those of `unit_factors` for this table.
        columns: The table's column of each standard name.
        rows: The table's first rows.
    """
    units = {**UNIT_NAMES, 1.0: "the standard unit"}
    return [
        f"{columns.get(name, name)} is read in {units.get(factors[name], factors[name])}, as in "
        f"the table of the training, though its values seem to be in {units[factor]}"
        for name, factor in by_size.items()
        if factors[name] != factor and _any_without_unit(rows[columns[name]])
    ]


def _any_without_unit(values: pd.Series[Any]) -> bool:
    texts = values.astype("string").fillna("").str.strip()
    return bool(texts.str.fullmatch(UNITLESS).any())


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """The values that don't tell their own unit, as `3:20` does, and can be read in one way only.

    `210,500` may be as many milliseconds or seconds and a half: others of the column decide. All
    values if there are no others.
    """
    if pd.api.types.is_numeric_dtype(values):
        return values
    texts = values.astype("string").fillna("").str.strip()
    sure = texts.map(lambda text: bool(PLAIN.fullmatch(text) and not THOUSANDS.match(text)))
    sure = sure.astype(bool)
    return values[sure] if sure.any() else values


def _duration(column: str, known: pd.Series[float]) -> float:
    name = normal(column)
    stated = next((factor for ending, factor in UNITS.items() if name.endswith(ending)), 1.0)
    median = float(known.median())
    limits = STANDARD["duration_ms"]
    if name not in UNSTATED and limits.low <= median * stated <= limits.high:
        return stated
    if median <= LONGEST_MINUTES:
        return 6e4
    return 1e3 if median <= LONGEST_SECONDS else 1.0


def _share(column: str, known: pd.Series[float]) -> float:
    above = known > 1
    if "%" in column or "percent" in column.casefold():
        # A fraction that is only named a percentage has decimals and never exceeds 1.
        return 0.01 if above.any() or (known % 1 == 0).all() else 1.0
    # Whole numbers are no fractions.
    whole = above.any() and (known % 1 == 0).all()
    return 0.01 if whole or above.mean() > 0.5 else 1.0
