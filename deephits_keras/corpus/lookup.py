"""`Lookup`: a table on disk that importers query by the id of a track, artist or album."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from deephits_keras.errors import DeepHitsError


class Lookup:
    """Rows of text by key in a temporary SQLite database, so that memory doesn't grow.

    SQLite uses an unlinked file (in `$SQLITE_TMPDIR`, else `/var/tmp`), which is freed with this
    object or with the process.

    Args:
        columns: Names of the texts of a row; without any, it is a set of keys.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        fields = ["key TEXT PRIMARY KEY", *(f"field_{n} TEXT" for n in range(len(columns)))]
        self._marks = ", ".join("?" * len(fields))
        self._database = sqlite3.connect("", isolation_level=None)
        # The database isn't used after a failure, so it needs no journal.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"CREATE TABLE rows ({', '.join(fields)}) WITHOUT ROWID")

    def add(self, rows: Iterable[Sequence[str | None]]) -> list[bool]:
        """Add rows of a key and its texts; of several rows of a key, the first is kept.

        Returns:
            Mask of the new keys.

        Raises:
            DeepHitsError: if the disk is full.
        """
        insert = f"INSERT OR IGNORE INTO rows VALUES ({self._marks})"  # noqa: S608
        with told():
            return [self._database.execute(insert, row).rowcount > 0 for row in rows]

    def __contains__(self, key: object) -> bool:
        """Whether the key has a row."""
        with told():
            found = self._database.execute("SELECT 1 FROM rows WHERE key = ?", (key,)).fetchone()
        return found is not None

    def get(self, key: str) -> tuple[str | None, ...] | None:
        """The texts of a key's row, or None."""
        with told():
            found = self._database.execute("SELECT * FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else tuple(found[1:])

    def among(self, keys: Iterable[str]) -> pd.DataFrame:
        """The rows of the existing keys: texts by column, indexed by key."""
        rows = []
        with told():
            for key in keys:
                select = self._database.execute("SELECT * FROM rows WHERE key = ?", (key,))
                rows += select.fetchall()
        index = pd.Index([row[0] for row in rows], dtype=object)
        return pd.DataFrame([row[1:] for row in rows], index, [*self.columns], dtype=object)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Convert SQLite's error for a full disk to a message that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DeepHitsError(
            f"SQLite can't keep the ids on disk while importing: {error}. Free some space where "
            "temporary files go, or name another folder in the environment variable SQLITE_TMPDIR"
        ) from error
