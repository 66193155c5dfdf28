"""A table of signals over time: who or what, when, which signal, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.artists import artist_key
from deephits_keras.corpus.dates import UnreadDates, iso_dates
from deephits_keras.corpus.days import span
from deephits_keras.corpus.reading import open_table
from deephits_keras.corpus.values import read_ids
from deephits_keras.errors import UserError
from deephits_keras.types import FloatArray, IntArray
from deephits_keras.utils.suggestions import suggestion

WHO = ("artist", "track_id")
COLUMNS = ("date", "name", "value")

MOST_NAMES = 100
"""More different names are rather values or dates in the wrong column."""

ARTIST, TRACK = "artist", "track"
"""Whom a row is of."""

Owner = tuple[str, str]
"""`(ARTIST, key)` or `(TRACK, id)`."""


@dataclass(frozen=True)
class SignalTable:
    """The observations of a table, in order of owner, name and day.

    Attributes:
        path: The table.
        names: Names of the signals, sorted.
        owners: First and last row (exclusive) of each artist or track.
        signals: `(rows,)` int16, index of each row's name.
        days: `(rows,)` int32, the last day that the date may mean, since 1800.
        values: `(rows,)` float64.
    """

    path: Path
    names: tuple[str, ...]
    owners: Mapping[Owner, tuple[int, int]]
    signals: IntArray
    days: IntArray
    values: FloatArray

    def before(
        self, owner: Owner, names: Sequence[str], first: int, release: int
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """What was observed of an artist or track from a day on and before its release.

        Args:
            owner: The artist or track.
            names: Names of signals.
            first: The first day.
            release: The first day that is too late.

        Yields:
            For each name with an observation: its index in `names`, the days in order and the
            values.
        """
        start, end = self.owners.get(owner, (0, 0))
        own = self.signals[start:end]
        for place, name in enumerate(names if end > start else ()):
            number = self.names.index(name)
            low, high = start + np.searchsorted(own, [number, number + 1])
            days = self.days[low:high]
            low, high = low + np.searchsorted(days, [first, release])
            if high > low:
                yield place, self.days[low:high], self.values[low:high]

    def require(self, names: Sequence[str]) -> None:
        """Check that the table has some signals.

        Raises:
            UserError: with one that it hasn't, a similar one and all.
        """
        for name in names:
            if name not in self.names:
                raise UserError(
                    f"{self.path} has no signal named {name!r}{suggestion(name, self.names)}. It "
                    f"has: {', '.join(self.names)}"
                )

    def described(self) -> str:
        """Whom the table is about and when, with an example of each."""
        kinds = {kind: [key for k, key in self.owners if k == kind] for kind in (ARTIST, TRACK)}
        told = [
            f"{len(keys):,} {kind}{'s' if len(keys) > 1 else ''}, such as {keys[0]!r}"
            for kind, keys in kinds.items()
            if keys
        ]
        first, last = (
            np.datetime64("1800-01-01") + int(d) for d in (self.days.min(), self.days.max())
        )
        return f"{' and '.join(told)}, from {first} to {last}"


def read_signals(path: Path) -> SignalTable:
    """Read a table of signals.

    A row without a value is no observation. A date may be a day, a month or a year.

    Args:
        path: A table with the columns `artist` (names or ids, as the songs have them) or `track_id`
            or both, and `date`, `name` and `value`. A row with a track's id is of that track alone.

    Returns:
        The observations; kept in memory for the next call, until the file changes.

    Raises:
        UserError: if a column is missing, or rows can't be used: how many, and the first of them.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error
    return _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, changed: int, size: int) -> SignalTable:
    del changed, size  # part of the key
    table = open_table(path)
    who = [name for name in WHO if name in table.columns]
    absent = [name for name in COLUMNS if name not in table.columns]
    if not who:
        absent.insert(0, "artist or track_id")
    if absent:
        raise UserError(
            f"{path} has no column {', '.join(absent)}. A table of signals has artist or track_id, "
            f"{', '.join(COLUMNS)}; this one has {', '.join(table.columns)}"
        )
    reader = _Reader(path)
    for rows in table.chunks([*who, *COLUMNS]):
        reader.add(rows)
    if len(table.malformed):
        raise UserError(f"{path}: {table.malformed['reason'].iloc[0]}")
    return reader.finished()


class _Reader:
    """Collects the rows of a table, and what is wrong with some."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bad = 0
        self.first_bad: tuple[int, str] | None = None
        self.dates = UnreadDates()
        self.owners: dict[Owner, int] = {}
        self.names: dict[str, int] = {}
        self.parts: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = []

    def add(self, rows: pd.DataFrame) -> None:
        """Add a chunk."""
        given = rows["value"]
        known = given.notna() & (given.astype("string").str.strip() != "").fillna(False)
        rows = rows[known]
        values = pd.to_numeric(rows["value"], errors="coerce").astype("float64")
        dates = iso_dates(rows["date"])
        self.dates.add(rows["date"], dates)
        days = _each(dates, _last_day, -1)
        names = _texts(rows["name"])
        owners = self._owners(rows)
        for wrong, what, column in (
            (owners < 0, "names no artist or track", ""),
            (days < 0, "has no date that can be read", "date"),
            ((names == "").to_numpy(), "has no name of a signal", ""),
            (~np.isfinite(values.to_numpy()), "has a value that is no number", "value"),
        ):
            self._refuse(rows, np.asarray(wrong), what, column)
        if self.bad:
            return
        numbers = _each(names, lambda name: self.names.setdefault(name, len(self.names)), -1)
        if len(self.names) > MOST_NAMES:
            some = ", ".join(list(self.names)[:3])
            raise UserError(
                f"{self.path}, column name: more than {MOST_NAMES} signals, such as {some}. Is it "
                "the right column?"
            )
        self.parts.append((owners, numbers, days, values.to_numpy()))

    def _owners(self, rows: pd.DataFrame) -> IntArray:
        """`(rows,)` number of each row's owner, -1 for none."""
        found = np.full(len(rows), -1, np.int64)
        for column, kind, read in (("artist", ARTIST, _texts), ("track_id", TRACK, _ids)):
            if column in rows:
                own = _each(read(rows[column]), partial(self._number, kind), -1)
                found = np.where(own >= 0, own, found)
        return found

    def _number(self, kind: str, text: str) -> int:
        key = artist_key(text) if kind == ARTIST else text
        return self.owners.setdefault((kind, key), len(self.owners)) if key else -1

    def _refuse(self, rows: pd.DataFrame, wrong: Any, what: str, column: str) -> None:
        if not wrong.any():
            return
        number = int(rows.index[wrong][0])
        shown = f" ({str(rows[column].iloc[int(np.argmax(wrong))])!r})" if column else ""
        told = (number, f"row {number + 1} below the header {what}{shown}")
        self.first_bad = min(told, self.first_bad or told)
        self.bad += int(wrong.sum())

    def finished(self) -> SignalTable:
        """The table.

        Raises:
            UserError: if rows can't be used, or there are none.
        """
        if self.first_bad:
            others = f"{self.bad - 1:,} more fault{'s' if self.bad > 2 else ''}"
            more = f", and {others}" if self.bad > 1 else ""
            raise UserError(f"{self.path}: {self.first_bad[1]}{more}. Correct or remove such rows")
        self.dates.require_whole(self.path)
        if not self.parts or not sum(len(part[0]) for part in self.parts):
            raise UserError(f"{self.path} has no row with a value")
        owners, found, days, values = (np.concatenate(p) for p in zip(*self.parts, strict=True))
        names = sorted(self.names)
        places = np.array([names.index(name) for name in self.names])
        signals = places[found].astype(np.int16)
        # Values as well: several on one day are in the same order however the table is sorted.
        order = np.lexsort((values, days, signals, owners))
        ends = np.searchsorted(owners[order], np.arange(len(self.owners)), "right").tolist()
        spans = zip(self.owners, zip([0, *ends[:-1]], ends, strict=True), strict=True)
        return SignalTable(
            self.path,
            tuple(names),
            dict(spans),
            signals[order],
            days[order].astype(np.int32),
            values[order],
        )


def _texts(column: Any) -> pd.Series[str]:
    texts: pd.Series[str] = column.astype("string").str.strip().fillna("")
    return texts


def _ids(column: Any) -> pd.Series[str]:
    """Ids as an import reads them: 7.0 is 7, and an address of Spotify the id in it."""
    return read_ids(column).fillna("")


def _each(column: Any, number: Any, absent: int) -> IntArray:
    """A number for each value, computed once for each different one; `absent` for none."""
    codes, different = pd.factorize(column)
    numbers = np.array([*(number(value) for value in different), absent], np.int64)
    return numbers[codes]


def _last_day(date: str) -> int:
    days = span(date)
    return -1 if days is None else days[1]
