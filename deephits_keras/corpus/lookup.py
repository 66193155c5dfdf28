"""`Lookup`: what importers look up by a track's, an artist's or an album's id, kept on disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from deephits_keras.errors import DeepHitsError


class Lookup:
    """Rows of text by key, in a temporary database of SQLite's: memory doesn't grow with them.

    SQLite keeps it in a file without a name (in `$SQLITE_TMPDIR`, else `/var/tmp`), which goes
    with this object or with the process, however that ends.

    Args:
        columns: Names of the texts of a row; none makes a set of keys.
    """

    def __init__(self, *columns: str) -> None:
        self.columns = columns
        fields = ["key TEXT PRIMARY KEY", *(f"field_{n} TEXT" for n in range(len(columns)))]
        self._marks = ", ".join("?" * len(fields))
        self._database = sqlite3.connect("", isolation_level=None)
        # Nobody reads this database after a failure: no journal to undo half a change with.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"CREATE TABLE rows ({', '.join(fields)}) WITHOUT ROWID")

    def add(self, rows: Iterable[Sequence[str | None]]) -> list[bool]:
        """Add rows, each a key and its texts; of several rows of a key, the first counts.

        Returns:
            Which of the keys weren't there before.

        Raises:
            DeepHitsError: if there is no room for it on disk.
        """
        insert = f"INSERT OR IGNORE INTO rows VALUES ({self._marks})"  # noqa: S608
        with told():
            return [self._database.execute(insert, row).rowcount > 0 for row in rows]

    def __contains__(self, key: object) -> bool:
        """Whether there is a row of this key."""
        with told():
            found = self._database.execute("SELECT 1 FROM rows WHERE key = ?", (key,)).fetchone()
        return found is not None

    def get(self, key: str) -> tuple[str | None, ...] | None:
        """The texts of a key's row, or None if there is none."""
        with told():
            found = self._database.execute("SELECT * FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else tuple(found[1:])

    def among(self, keys: Iterable[str]) -> pd.DataFrame:
        """The rows of those of the keys that are there: their texts by column, indexed by key."""
        rows = []
        with told():
            for key in keys:
                select = self._database.execute("SELECT * FROM rows WHERE key = ?", (key,))
                rows += select.fetchall()
        index = pd.Index([row[0] for row in rows], dtype=object)
        return pd.DataFrame([row[1:] for row in rows], index, [*self.columns], dtype=object)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what to do where SQLite finds no room on disk."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DeepHitsError(
            f"SQLite can't keep the ids on disk while importing: {error}. Free some space where "
            "temporary files go, or name another folder in the environment variable SQLITE_TMPDIR"
        ) from error
