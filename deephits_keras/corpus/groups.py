"""Groups of tracks: by decade, genre, language or market, or by any column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.dates import years_of
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import UserError
from deephits_keras.types import FloatArray
from deephits_keras.utils.suggestions import suggestion

DECADE = "decade"

NO_DATES = "This corpus has no dates: it has neither release_date nor release_year"

COLUMNS = {
    "genre": ("genre", "genres"),
    "language": ("language", "lang"),
    "market": ("market", "markets", "country"),
}
"""Columns that give each kind of group, the best first."""


def release_years(corpus: Corpus) -> FloatArray:
    """`(n,)` float64 year of each track's release, NaN where it is unknown.

    Raises:
        UserError: if the corpus has neither `release_year` nor `release_date`.
    """
    if "release_year" in corpus.columns:
        return corpus.column("release_year").to_numpy(np.float64)
    if "release_date" not in corpus.columns:
        raise UserError(NO_DATES)
    return years_of(corpus.column("release_date").astype("string")).to_numpy(np.float64)


def labels(corpus: Corpus, column: str) -> pd.Series[str]:
    """The values of a column as texts, by row of the corpus; rows without a value are left out.

    A row is repeated for each value of a list.

    Raises:
        UserError: if the corpus has no such column.
    """
    values = corpus.column(column).reset_index(drop=True)
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        # A whole number is written as one, as in the table.
        values = values.astype("Int64")
    listed = values.map(lambda value: isinstance(value, list | tuple | np.ndarray)).any()
    told: pd.Series[str] = (values.explode() if listed else values).dropna().astype("string")
    return told


def groupings(corpus: Corpus, by: tuple[str, ...] = ()) -> dict[str, pd.Series[str]]:
    """The groups that a corpus tells: decades, and genres, languages and markets by its columns.

    Args:
        corpus: The corpus.
        by: Further columns; `decade` for decades.

    Returns:
        By name, labels as of `labels`; those of no track, other than of `by`, are left out.

    Raises:
        UserError: if the corpus lacks a column of `by`.
    """
    found: dict[str, pd.Series[Any]] = {}
    if {"release_year", "release_date"} & set(corpus.columns):
        years = pd.Series(release_years(corpus)).dropna()
        found[DECADE] = (years // 10 * 10).astype(int).astype("string") + "s"
    for name, columns in COLUMNS.items():
        if column := next((c for c in columns if c in corpus.columns), None):
            found[name] = labels(corpus, column)
    for column in by:
        if column not in found:
            if column not in corpus.columns:
                raise UserError(
                    f"This corpus has no column {column!r} to group by"
                    f"{suggestion(column, (DECADE, *corpus.columns))}. It has: "
                    f"{', '.join(corpus.columns)}"
                )
            found[column] = labels(corpus, column)
    return {name: told for name, told in found.items() if len(told) or name in by}
