"""A table of who worked with whom and when, beside the training songs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import artist_key
from deephits_keras.corpus.dates import UnreadDates, iso_dates
from deephits_keras.corpus.days import span
from deephits_keras.corpus.reading import open_table
from deephits_keras.errors import UserError
from deephits_keras.types import IntArray

from ..artist_history.base import number_of

COLUMNS = ("artist", "collaborator", "date")


@dataclass(frozen=True)
class Edges:
    """Who worked with whom and when.

    Attributes:
        pairs: `(rows, 2)` the artists' numbers.
        days: `(rows,)` the last day that the date may mean, since 1800.
        keys: The artists' keys, each once.
    """

    pairs: IntArray
    days: IntArray
    keys: tuple[str, ...]


def read_edges(path: Path) -> Edges:
    """Read a table of collaborations.

    Args:
        path: A table with the columns `artist` and `collaborator` (names or keys, as the songs
            have them) and `date` (as precise as it is known, a year is enough).

    Raises:
        UserError: if a column is missing, a row has no artist or no date that can be read, with its
            number, or a date can be read in two ways.
    """
    table = open_table(path)
    if absent := [name for name in COLUMNS if name not in table.columns]:
        raise UserError(
            f"{path} has no column {', '.join(absent)}. A table of collaborations has "
            f"{', '.join(COLUMNS)}; this one has {', '.join(table.columns)}"
        )
    unread, keys = UnreadDates(), dict[str, int]()
    found = [_pairs(rows, path, unread, keys) for rows in table.chunks([*COLUMNS])]
    if len(table.malformed):
        raise UserError(f"{path}: {table.malformed['reason'].iloc[0]}")
    unread.require_whole(path)
    if not found:
        raise UserError(f"{path} has no rows below its header")
    pairs, days = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Edges(pairs, days, tuple(keys))


def _pairs(
    rows: pd.DataFrame, path: Path, unread: UnreadDates, known: dict[str, int]
) -> tuple[IntArray, IntArray]:
    given = rows["date"].astype("string")
    dates = iso_dates(given)
    unread.add(given, dates)
    artists, days = [], []
    for number, one, other, date, told in zip(
        rows.index, rows["artist"], rows["collaborator"], dates, given, strict=True
    ):
        keys = ["" if pd.isna(name) else artist_key(str(name)) for name in (one, other)]
        last = None if pd.isna(date) else span(date)
        if not all(keys) or last is None:
            date_told = "" if pd.isna(told) else str(told)
            lacking = (
                f"date that can be read ({date_told!r})" if all(keys) else "artist or collaborator"
            )
            raise UserError(f"{path}: row {int(number) + 1} below the header has no {lacking}")
        artists.append([known.setdefault(key, number_of(key)) for key in keys])
        days.append(last[1])
    return np.array(artists, np.int64).reshape(-1, 2), np.array(days, np.int64)
