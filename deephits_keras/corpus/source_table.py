"""`SourceTable`: a table file, open for reading in chunks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.dialects import Dialect

CHUNK = 4096
"""Rows per chunk."""

REJECTED_COLUMNS = ["track_id", "source_row", "field", "reason"]


class SourceTable(Protocol):
    """A table file, open for reading.

    Attributes:
        columns: Names of the columns.
        dialect: Detected format of the file.
        types: Arrow types of columns that pandas stores as objects.
        malformed: Malformed lines read so far by `chunks`, as rejected rows.
    """

    columns: list[str]
    types: dict[str, pa.DataType]
    dialect: Dialect

    @property
    def malformed(self) -> pd.DataFrame: ...  # noqa: D102

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read all rows that aren't empty, from the start.

        Args:
            only: The columns to read; all by default. Then malformed lines count as rows.

        Yields:
            Chunks of rows, indexed by their number in the file (from 0; the header and malformed
            lines aren't counted).

        Raises:
            UserError: if the file can't be read.
        """
        ...


def filled(rows: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """The rows that aren't empty, with empty texts as missing values."""
    named = rows[[name for name in rows if name in texts]]
    return rows.assign(**named.replace("", pd.NA)).dropna(how="all")


def malformed_rows(path: Path, skipped: Sequence[tuple[Any, str]] = ()) -> pd.DataFrame:
    """Malformed lines as rejected rows.

    Args:
        path: The file.
        skipped: Number of the row, or NA, and the reason.
    """
    rows = [("", number, path.name, reason) for number, reason in skipped]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})
