"""Rows that share a track's id: which of them counts, and whether they agree."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import pandas as pd

from deephits_keras.corpus.lookup import told
from deephits_keras.errors import UserError

DUPLICATES = ("first", "max", "mean")
"""Whose popularity counts where several rows have one id."""

REPEATED = "duplicate of an earlier row"
"""Why a row is rejected whose id is there already; the reason may go on."""


class Repeats:
    """Of the good rows that share a track's id, the first stays; a rule gives its popularity.

    Memory doesn't grow with the rows: SQLite keeps what was seen on disk, as `Lookup` does.

    Args:
        rule: Whose popularity counts: a name in `DUPLICATES`.
        survey: All good rows, in parts, before any is kept: `track_id` and `popularity`. Read for
            every rule but `first`.

    Attributes:
        disagreeing: Rows of repeated tracks whose popularity isn't the one that counts.
        largest: The largest difference of these.

    Raises:
        UserError: if there is no such rule.
    """

    def __init__(self, rule: str, survey: Iterable[pd.DataFrame] = ()) -> None:
        if rule not in DUPLICATES:
            known = ", ".join(DUPLICATES)
            raise UserError(f"duplicates must be one of {known}. Received: {rule!r}")
        self.rule = rule
        self.disagreeing = 0
        self.largest = 0.0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE tracks (key TEXT PRIMARY KEY, first REAL, highest REAL, total REAL, "
            "count INTEGER, kept INTEGER) WITHOUT ROWID"
        )
        for part in survey if rule != "first" else ():
            self._add(part)

    def keep(self, tracks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[str]]:
        """Part the rows that stay from those that repeat one.

        Args:
            tracks: Good rows, with `track_id` and `popularity`.

        Returns:
            The rows that stay, with the popularity that counts; and why others don't, by their
            place in the index.
        """
        with told():
            fresh = [self._is_first(key, p) for key, p in self._pairs(tracks)]
            stays = pd.Series(fresh, index=tracks.index, dtype=bool)
            # Of a first row under the rule `first`, nothing has to be looked up.
            asked = tracks[~stays] if self.rule == "first" else tracks
            counts = asked["track_id"].map(self._popularity).astype("float64")
        kept = tracks[stays]
        if self.rule != "first":
            kept = kept.assign(popularity=counts[stays])
        self._compare(asked["popularity"], counts)
        again = tracks.index[~stays]
        return kept, self._reasons(tracks["popularity"][again], counts[again])

    def _is_first(self, key: str, popularity: float) -> bool:
        if self.rule == "first":
            insert = "INSERT OR IGNORE INTO tracks VALUES (?1, ?2, ?2, ?2, 1, 1)"
            return self._database.execute(insert, (key, popularity)).rowcount > 0
        update = "UPDATE tracks SET kept = 1 WHERE key = ? AND kept = 0"
        return self._database.execute(update, (key,)).rowcount > 0

    def _popularity(self, key: str) -> float:
        which = {"first": "first", "max": "highest", "mean": "total / count"}[self.rule]
        select = f"SELECT {which} FROM tracks WHERE key = ?"  # noqa: S608
        return float(self._database.execute(select, (key,)).fetchone()[0])

    def _add(self, tracks: pd.DataFrame) -> None:
        upsert = (
            "INSERT INTO tracks VALUES (?1, ?2, ?2, ?2, 1, 0) ON CONFLICT (key) DO UPDATE SET "
            "highest = MAX(highest, ?2), total = total + ?2, count = count + 1"
        )
        with told():
            self._database.executemany(upsert, self._pairs(tracks))

    @staticmethod
    def _pairs(tracks: pd.DataFrame) -> Iterator[tuple[str, float]]:
        return zip(tracks["track_id"].tolist(), tracks["popularity"].tolist(), strict=True)

    def _compare(self, given: pd.Series[float], counts: pd.Series[float]) -> None:
        apart = (counts - given).abs()
        self.disagreeing += int((apart > 0).sum())
        self.largest = max(self.largest, float(apart.max()) if len(apart) else 0.0)

    def _reasons(self, given: pd.Series[float], counts: pd.Series[float]) -> pd.Series[str]:
        reasons = [
            REPEATED
            if c == g
            else f"{REPEATED}: the popularity that counts is {c:.4g}, not {g:.4g}"
            for c, g in zip(counts, given, strict=True)
        ]
        return pd.Series(reasons, index=given.index, dtype=object)

    def notes(self) -> list[str]:
        """What came of it, in words."""
        if not self.disagreeing:
            return []
        which = "the first row's, see --duplicates" if self.rule == "first" else f"the {self.rule}"
        return [
            f"{self.disagreeing:,} rows of repeated tracks have another popularity than the one "
            f"that counts ({which}), by up to {self.largest:.4g}"
        ]
