"""What importers of datasets of one file per track share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import DeepHitsError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CHUNK = 1024
"""Tracks in memory at a time."""


class FileRows:
    """Tracks from many files, read one by one; a file that can't be read is a rejected row.

    Args:
        paths: The files.
        read: Gives the tracks of a file as mappings, or raises `DeepHitsError` with the reason.
        columns: The columns that `read` gives, `track_id` among them.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[Path], Iterator[Mapping[str, Any]]],
        columns: Mapping[str, pa.DataType],
    ) -> None:
        from deephits_keras.corpus.dialects import Dialect

        self._paths, self._read = paths, read
        self.types = dict(columns)
        self.columns = list(columns)
        self.dialect = Dialect("files")
        self._rejected: list[tuple[str, str]] = []

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Some tracks at a time, indexed by their number from the start."""
        import pandas as pd

        self._rejected = []
        rows: list[Mapping[str, Any]] = []
        start = 0
        wanted = self.columns if only is None else [name for name in self.columns if name in only]
        for path in self._paths:
            for row in self._usable(path):
                rows.append(row)
                if len(rows) == CHUNK:
                    yield pd.DataFrame(rows, columns=wanted).set_index(_numbers(start, rows))
                    start, rows = start + len(rows), []
        if rows:
            yield pd.DataFrame(rows, columns=wanted).set_index(_numbers(start, rows))

    def track_ids(self) -> Iterator[pd.Series[str]]:
        """The tracks' ids alone."""
        for rows in self.chunks(["track_id"]):
            yield rows["track_id"]

    def _usable(self, path: Path) -> Iterator[Mapping[str, Any]]:
        try:
            yield from self._read(path)
        except DeepHitsError as error:
            self._rejected.append((path.name, str(error)))

    @property
    def malformed(self) -> pd.DataFrame:
        """Files that could not be read, as rejected rows."""
        import pandas as pd

        columns = ["track_id", "source_row", "field", "reason"]
        rows = [("", pd.NA, name, reason) for name, reason in self._rejected]
        return pd.DataFrame(rows, columns=columns).astype({"source_row": "Int64"})


def _numbers(start: int, rows: Sequence[object]) -> pd.RangeIndex:
    import pandas as pd

    return pd.RangeIndex(start, start + len(rows))
