"""Rows with the same track id: selection of one, and comparison of their popularity."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import pandas as pd

from deephits_keras.choices import DUPLICATES
from deephits_keras.corpus.lookup import told
from deephits_keras.errors import UserError

ROUNDED = r"\d(?:[.,]\d+)?[eE]\+\d+"
"""A whole number as a spreadsheet writes it from twelve digits on."""

REPEATED = "duplicate of an earlier row"
"""Reason of a rejected duplicate; more text may follow."""


class Repeats:
    """Keeps the first valid row per track id; a rule determines its popularity.

    Memory doesn't grow with the rows: they are kept on disk by SQLite, as in `Lookup`.

    Args:
        rule: A name in `DUPLICATES`.
        survey: All valid rows in chunks, with `track_id` and `popularity`. Read for every rule
            except `first`.

    Attributes:
        disagreeing: Number of duplicate rows with another popularity than the kept one.
        largest: The largest difference of these.
        rounded: Number of duplicate rows whose id is a number that a spreadsheet rounded.

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
        self.rounded = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE tracks (key TEXT PRIMARY KEY, first REAL, highest REAL, total REAL, "
            "count INTEGER, kept INTEGER) WITHOUT ROWID"
        )
        for part in survey if rule != "first" else ():
            self._add(part)

    def keep(self, tracks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series[str]]:
        """Separate the kept rows from duplicates.

        Args:
            tracks: Valid rows, with `track_id` and `popularity`.

        Returns:
            The kept rows with their popularity; and the reasons for the others, by index.
        """
        with told():
            fresh = [self._is_first(key, p) for key, p in self._pairs(tracks)]
            stays = pd.Series(fresh, index=tracks.index, dtype=bool)
            # With the rule `first`, a first row needs no lookup.
            asked = tracks[~stays] if self.rule == "first" else tracks
            counts = asked["track_id"].map(self._popularity).astype("float64")
        kept = tracks[stays]
        if self.rule != "first":
            kept = kept.assign(popularity=counts[stays])
        self._compare(asked["popularity"], counts)
        again = tracks.index[~stays]
        self.rounded += int(tracks["track_id"][again].str.fullmatch(ROUNDED).fillna(False).sum())
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
        """Notes on the duplicates."""
        notes = []
        if self.rounded:
            notes.append(
                f"{self.rounded:,} repeated track ids are numbers that a spreadsheet rounded, as "
                "1.23457E+17: different tracks became one, so take the table as it was before"
            )
        if not self.disagreeing:
            return notes
        which = "the first row's, see --duplicates" if self.rule == "first" else f"the {self.rule}"
        rows = (
            "row of a repeated track has"
            if self.disagreeing == 1
            else "rows of repeated tracks have"
        )
        return [
            *notes,
            f"{self.disagreeing:,} {rows} another popularity than the one "
            f"that counts ({which}), by up to {self.largest:.4g}",
        ]
