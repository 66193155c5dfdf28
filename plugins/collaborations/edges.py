"""A table of who worked with whom and when, beside the training songs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import artist_key
from deephits_keras.corpus.dates import iso_dates
from deephits_keras.corpus.days import span
from deephits_keras.corpus.reading import open_table
from deephits_keras.errors import UserError
from deephits_keras.types import IntArray

from ..artist_history.base import number_of

COLUMNS = ("artist", "collaborator", "date")


def read_edges(path: Path) -> tuple[IntArray, IntArray]:
    """Read a table of collaborations.

    Args:
        path: A table with the columns `artist` and `collaborator` (names or keys, as the songs
            have them) and `date` (as precise as it is known, a year is enough).

    Returns:
        `(pairs, 2)` the artists' numbers, and `(pairs,)` the last possible day since 1800.

    Raises:
        UserError: if a column is missing, or a row has no artist or no date; with its number.
    """
    table = open_table(path)
    if absent := [name for name in COLUMNS if name not in table.columns]:
        raise UserError(
            f"{path} has no column {', '.join(absent)}. A table of collaborations has "
            f"{', '.join(COLUMNS)}; this one has {', '.join(table.columns)}"
        )
    found = [_pairs(rows, path) for rows in table.chunks([*COLUMNS])]
    if len(table.malformed):
        raise UserError(f"{path}: {table.malformed['reason'].iloc[0]}")
    if not found:
        raise UserError(f"{path} has no rows below its header")
    artists, days = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return artists, days


def _pairs(rows: pd.DataFrame, path: Path) -> tuple[IntArray, IntArray]:
    dates = iso_dates(rows["date"].astype("string"))
    artists, days = [], []
    for number, one, other, date in zip(
        rows.index, rows["artist"], rows["collaborator"], dates, strict=True
    ):
        keys = ["" if pd.isna(name) else artist_key(str(name)) for name in (one, other)]
        last = None if pd.isna(date) else span(date)
        if not all(keys) or last is None:
            lacking = "date" if all(keys) else "artist or collaborator"
            raise UserError(f"{path}, row {int(number) + 1} below the header: it has no {lacking}")
        artists.append([number_of(key) for key in keys])
        days.append(last[1])
    return np.array(artists, np.int64).reshape(-1, 2), np.array(days, np.int64)
