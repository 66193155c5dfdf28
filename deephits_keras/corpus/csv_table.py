"""CSV tables with any separator, quoting and encoding."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.dialects import DAMAGED, Dialect, open_bytes
from deephits_keras.corpus.source_table import CHUNK, filled, malformed_rows
from deephits_keras.errors import UserError

UNDECODED = "\N{REPLACEMENT CHARACTER}"
"""Replacement of a byte that is invalid in the encoding."""

EXTRA = "\0extra"
"""Beginning of the names of columns for values behind those of the header."""

FREE_TEXTS = ("lyric", "text", "description", "comment", "words")
"""Parts of the names of columns with multi-line values."""


class CsvTable:
    """A CSV file; all values are kept as text.

    Malformed are lines with more values than columns, rows with bytes that are invalid in the
    encoding, and rows merged with others by an unmatched quotation mark.

    Args:
        path: The file.
        dialect: How to read it.
        columns: Columns to read; all by default.

    Raises:
        UserError: if it can't be read.
    """

    def __init__(self, path: Path, dialect: Dialect, columns: Callable[[str], bool] | None) -> None:
        self._path = path
        self._wanted = columns
        self._skipped: list[tuple[Any, str]] = []
        self._names: list[str] | None = None
        self.dialect = dialect
        first = next(self._read(), None)
        if first is None:
            raise UserError(f"{path} has a header but no rows")
        if excess := self._excess():
            # pandas would drop these values, and those of all other rows that have as many.
            self._names = [*map(str, first), *(f"{EXTRA}{number}" for number in range(excess))]
        self.columns = [str(name) for name in first if not _is_index(name)]
        if self.columns and first.columns[0] != self.columns[0] and _is_fma(first):
            raise UserError(
                f"{path} has three header lines, as FMA's tracks.csv: use `deephits import fma`"
            )
        self.types: dict[str, pa.DataType] = dict.fromkeys(self.columns, pa.string())

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """See `SourceTable`."""
        self._skipped = []
        for rows in self._read(only):
            extra = [name for name in rows if str(name).startswith(EXTRA)]
            over = (rows[extra].fillna("") != "").any(axis=1)
            dropped = [name for name in rows if not self._is_read(str(name))]
            whole = self._whole(filled(rows.drop(columns=dropped), self.columns), over)
            if len(whole):
                yield whole

    @property
    def malformed(self) -> pd.DataFrame:
        """See `SourceTable`."""
        return malformed_rows(self._path, self._skipped)

    def _is_read(self, name: str) -> bool:
        if _is_index(name) or name.startswith(EXTRA):
            return False
        return self._wanted is None or self._wanted(name)

    def _excess(self) -> int:
        """Number of values of the first row behind those of the header."""
        dialect = self.dialect
        with open_bytes(self._path, dialect.compression) as file:
            text = io.TextIOWrapper(file, dialect.encoding, errors="replace", newline="")
            lines = itertools.islice(text, dialect.skipped, None)
            records = csv.reader(lines, delimiter=dialect.separator, skipinitialspace=True)
            try:
                header, first = [*itertools.islice(filter(None, records), 2), [], []][:2]
            except csv.Error:
                return 0
        return max(0, len(first) - len(header))

    def _whole(self, rows: pd.DataFrame, over: pd.Series[bool]) -> pd.DataFrame:
        """The rows without malformed ones, which are recorded.

        Args:
            rows: The rows.
            over: Whether a row has more values than the header, of these and other rows.
        """
        reason = "more values than the header has names: quote those that contain the separator"
        bad = {row: f"row {row + 1}: {reason}" for row in _numbers(rows, over.loc[rows.index])}
        for name in rows:
            if self.dialect.damaged_lines:
                damaged = rows[name].str.contains(UNDECODED, regex=False, na=False)
                reason = f"a byte that isn't {self.dialect.encoding.upper()}"
                bad |= {row: f"row {row + 1}: {reason}" for row in _numbers(rows, damaged)}
            if any(word in str(name).casefold() for word in FREE_TEXTS):
                continue
            several = rows[name].str.contains("\n", regex=False, na=False).astype(bool)
            for row in _numbers(rows, several):
                if swallowed := self._swallowed(str(rows[name][row])):
                    bad.setdefault(row, f"row {row + 1}: {swallowed}")
        self._skipped += sorted(bad.items())
        return rows.drop(index=list(bad)) if bad else rows

    def _swallowed(self, text: str) -> str | None:
        """Reason why a multi-line value is rows merged by an unmatched quotation mark."""
        first, *inner = text.split("\n")
        # Of the last line, the rest became values of the row; a blank behind is a sentence's.
        mark = re.compile(re.escape(self.dialect.separator) + r"(?! )")
        rows = sum(len(mark.findall(line)) >= len(self.columns) - 1 for line in inner[:-1] or inner)
        if not rows or len(self.columns) < 2:
            return None
        return (
            f"a quotation mark is missing or too many: one without its pair begins it and swallows "
            f'the next {len(inner)} lines: "{first[:60]}'
        )

    def _read(self, columns: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        with self._told(), open_bytes(self._path, self.dialect.compression) as file:
            reader = pd.read_csv(
                file,
                encoding=self.dialect.encoding,
                encoding_errors="replace" if self.dialect.damaged_lines else "strict",
                sep=self.dialect.separator,
                skiprows=self.dialect.skipped,
                header=0,
                names=self._names,
                dtype=str,
                usecols=None if columns is None else [*columns],
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                on_bad_lines="warn",
                chunksize=CHUNK,
            )
            while True:
                with self._told():
                    rows = next(reader, None)
                if rows is None:
                    return
                yield rows

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Record the lines that pandas skipped, and explain its errors."""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                yield
        except UnicodeDecodeError as error:
            encoding = self.dialect.encoding
            raise UserError(f"{self._path} can't be read as {encoding}: {error}") from error
        except LookupError as error:
            raise UserError(f"There is no encoding named {self.dialect.encoding!r}") from error
        except DAMAGED as error:
            raise UserError(f"{self._path} can't be read: {error}") from error
        except ValueError as error:
            raise UserError(f"{self._path} can't be read as CSV: {_explained(error)}") from error
        for warning in told:
            lines = re.findall(r"Skipping (line \d+: .*)", str(warning.message))
            self._skipped += [(pd.NA, line) for line in lines]


def _explained(error: ValueError) -> str:
    if found := re.search(r"EOF inside string starting at row (\d+)", str(error)):
        return (
            f"the quotation mark in row {found[1]} below the header has no pair: remove it, or "
            "close the quotation"
        )
    return str(error)


def _numbers(rows: pd.DataFrame, which: pd.Series[bool]) -> list[int]:
    return [int(number) for number in rows.index.to_numpy()[which.to_numpy(dtype=bool)]]


def _is_index(name: object) -> bool:
    return str(name).startswith("Unnamed:")


def _is_fma(rows: pd.DataFrame) -> bool:
    """Whether the second line under the header names the index: FMA's own three lines."""
    return len(rows) > 1 and str(rows.iloc[1, 0]) == "track_id"
