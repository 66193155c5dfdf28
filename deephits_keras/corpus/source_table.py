"""`SourceTable`: a file of rows, open for reading, a chunk at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.dialects import Dialect

CHUNK = 4096
"""Rows in memory at a time."""

REJECTED_COLUMNS = ["track_id", "source_row", "field", "reason"]


class SourceTable(Protocol):
    """A file of rows, open for reading.

    Attributes:
        columns: The columns' names.
        dialect: What the file was recognised as.
        types: Arrow types of columns whose values pandas holds as objects.
        malformed: Lines that aren't rows, as rejected rows: those that `chunks` has come by.
    """

    columns: list[str]
    types: dict[str, pa.DataType]
    dialect: Dialect

    @property
    def malformed(self) -> pd.DataFrame: ...  # noqa: D102

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read the rows in which something is filled in, from the start.

        Args:
            only: The columns to read; all by default. Lines that aren't rows count as rows then.

        Yields:
            Some rows, indexed by their number in the file (from 0; the header and lines that
            aren't rows aren't counted).

        Raises:
            UserError: if the file can't be read.
        """
        ...


def filled(rows: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """The rows in which something is filled in, without the texts of no characters."""
    named = rows[[name for name in rows if name in texts]]
    return rows.assign(**named.replace("", pd.NA)).dropna(how="all")


def malformed_rows(path: Path, skipped: Sequence[tuple[Any, str]] = ()) -> pd.DataFrame:
    """Lines that aren't rows, as rejected rows.

    Args:
        path: The file.
        skipped: The row's number, or NA for a line that has none, and the reason.
    """
    rows = [("", number, path.name, reason) for number, reason in skipped]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})
