"""JSON lines and Excel tables."""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.dialects import DAMAGED, Dialect, open_bytes
from deephits_keras.corpus.names import KNOWN, normal
from deephits_keras.corpus.source_table import CHUNK, filled, malformed_rows
from deephits_keras.errors import UserError
from deephits_keras.utils.files import keys_once


class JsonLines:
    """JSON lines: one object per line; values keep their types.

    Args:
        path: The file.
        dialect: How to read it.

    Raises:
        UserError: if it can't be read.
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path, self.dialect = path, dialect
        self._skipped: list[tuple[Any, str]] = []
        kinds: dict[str, pa.DataType] = {}
        for _, row in self._rows():
            for name, value in row.items():
                kinds[name] = _either(kinds.get(name, pa.null()), _kind(value))
        if not kinds:
            raise UserError(
                f"{path} has no line that is a JSON object: write one object per line (jq -c .)"
            )
        self.columns = list(kinds)
        self.types = kinds

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """See `SourceTable`."""
        self._skipped = []
        wanted = self.columns if only is None else [*only]
        rows = self._rows()
        while part := list(itertools.islice(rows, CHUNK)):
            index = pd.Index([number for number, _ in part])
            columns = {
                name: pd.Series(
                    [_as(row.get(name), self.types[name]) for _, row in part], index, dtype=object
                )
                for name in wanted
            }
            found = filled(pd.DataFrame(columns), wanted)
            if len(found):
                yield found

    @property
    def malformed(self) -> pd.DataFrame:
        """See `SourceTable`."""
        return malformed_rows(self._path, self._skipped)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        try:
            with open_bytes(self._path, self.dialect.compression) as file:
                text = io.TextIOWrapper(file, self.dialect.encoding, errors="surrogateescape")
                for line_number, line in enumerate(text, start=1):
                    if not line.strip():
                        continue
                    row = self._object(line_number, line)
                    if row is not None:
                        yield number, row
                        number += 1
        except DAMAGED as error:
            raise UserError(f"{self._path} can't be read: {error}") from error

    def _object(self, line_number: int, line: str) -> dict[str, Any] | None:
        try:
            row = json.loads(line.lstrip("\ufeff"), object_pairs_hook=keys_once)
            # Half of a surrogate pair, as bytes or as an escape, isn't valid text.
            (json.dumps(row, ensure_ascii=False) if "\\u" in line else line).encode("utf-8")
        except (ValueError, RecursionError) as error:
            self._skipped.append((pd.NA, f"line {line_number}: it can't be read as JSON: {error}"))
            return None
        if not isinstance(row, dict):
            self._skipped.append((pd.NA, f"line {line_number}: it isn't a JSON object"))
            return None
        return row


LARGEST_WHOLE = 2**63 - 1


def _kind(value: Any) -> pa.DataType:
    """The stored type of a JSON value."""
    match value:
        case None:
            return pa.null()
        case bool():
            return pa.bool_()
        case int() if abs(value) <= LARGEST_WHOLE:
            return pa.int64()
        case float():
            return pa.float64()
        case list():
            inner = pa.null()
            for item in value:
                inner = _either(inner, _kind(item))
            plain = not any(isinstance(item, dict) for item in value)
            return pa.list_(inner) if plain else pa.string()
    return pa.string()


def _either(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The common type of two types; text if they have no other."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(_either(one.value_type, other.value_type))
    return pa.string()


def _as(value: Any, kind: pa.DataType) -> Any:
    """A value in its column's type."""
    if value is None or isinstance(value, str):
        return value
    if pa.types.is_list(kind):
        return [_as(item, kind.value_type) for item in value]
    return json.dumps(value, ensure_ascii=False) if kind == pa.string() else value


MOST_BEFORE_HEADER = 20
"""Most rows of a sheet that are looked at for its header."""


class ExcelTable:
    """A sheet of an Excel workbook; values are texts as in an exported CSV.

    The first sheet with a header: a row among its first ones with a known name. Otherwise the first
    row of the first sheet is the header.

    Args:
        path: The file.
        dialect: Its detected format.

    Raises:
        UserError: if it can't be read, or openpyxl isn't installed.
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path = path
        self._sheet, self._skipped, sheets = self._header()
        self.dialect = replace(
            dialect,
            sheet=sheets[self._sheet] if len(sheets) > 1 else "",
            skipped=self._skipped,
        )
        self._names = _named(next(self._rows(), ()))
        self.columns = [name for name in self._names if name]
        if not self.columns:
            raise UserError(f"{path}: the first sheet has no header")
        self.types: dict[str, pa.DataType] = dict.fromkeys(self.columns, pa.string())

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """See `SourceTable`."""
        rows = self._rows()
        next(rows)
        start = 0
        while part := list(itertools.islice(rows, CHUNK)):
            index = pd.RangeIndex(start, start + len(part))
            start += len(part)
            # Rows may be shorter or longer than the header.
            width = len(self._names)
            part = [(*row[:width], *[None] * (width - len(row))) for row in part]
            whole = pd.DataFrame(part, columns=self._names, index=index, dtype=object)
            wanted = self.columns if only is None else [*only]
            found = filled(whole[wanted].map(_cell), wanted)
            if len(found):
                yield found

    @property
    def malformed(self) -> pd.DataFrame:
        """See `SourceTable`."""
        return malformed_rows(self._path)

    def _header(self) -> tuple[int, int, list[str]]:
        """The sheet, the number of rows before its header, and the names of all sheets."""
        with self._book() as book:
            names = [sheet.title for sheet in book.worksheets]
            for number, sheet in enumerate(book.worksheets):
                rows = sheet.iter_rows(max_row=MOST_BEFORE_HEADER, values_only=True)
                for before, row in enumerate(rows):
                    if sum(normal(str(cell)) in KNOWN for cell in row if cell is not None):
                        return number, before, names
        return 0, 0, names

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """The header, and the rows below it."""
        with self._book() as book:
            sheet = book.worksheets[self._sheet]
            yield from sheet.iter_rows(min_row=self._skipped + 1, values_only=True)

    @contextlib.contextmanager
    def _book(self) -> Iterator[Any]:
        try:
            import openpyxl
        except ImportError as error:
            raise UserError(
                f"{self._path} is an Excel workbook: pip install openpyxl, or save it as CSV"
            ) from error
        try:
            book = openpyxl.load_workbook(self._path, read_only=True, data_only=True)
        except Exception as error:
            raise UserError(
                f"{self._path} can't be read as an Excel workbook ({error}): save it as CSV"
            ) from error
        try:
            yield book
        finally:
            book.close()


def _named(header: Iterable[Any]) -> list[str]:
    """Names of columns, empty without one; the second `energy` is `energy.1`, as in a CSV."""
    found: list[str] = []
    for cell in header:
        name = named = "" if cell is None else str(cell)
        number = 0
        while name and name in found:
            number += 1
            name = f"{named}.{number}"
        found.append(name)
    return found


def _cell(value: Any) -> str | None:
    """The text of a cell; a time of day is read as a duration in minutes and seconds."""
    if value is None:
        return None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.timedelta):
        seconds = round(value.total_seconds())
        hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    elif isinstance(value, datetime.time):
        hours, minutes, seconds = value.hour, value.minute, value.second
    else:
        return str(value)
    if hours and not seconds:
        # Typed as 3:20, or 25:00.
        return f"{hours}:{minutes:02d}"
    fraction = str(value).partition(".")[2] if isinstance(value, datetime.time) else ""
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}" + (f".{fraction}" if fraction else "")
