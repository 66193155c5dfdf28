"""Reading tables as found in the wild, a chunk at a time: memory doesn't grow with the table."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from deephits_keras.errors import UserError

CHUNK = 4096
"""Rows in memory at a time."""

ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")

REJECTED_COLUMNS = ["track_id", "source_row", "field", "reason"]


class SourceTable(Protocol):
    """A file of rows, open for reading.

    Attributes:
        columns: The columns' names.
        types: Arrow types of columns whose values pandas holds as objects.
        malformed: Lines that aren't rows, as rejected rows: those that `chunks` has come by.
    """

    columns: list[str]
    types: dict[str, pa.DataType]

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


def open_table(
    path: Path, encoding: str | None = None, columns: Callable[[str], bool] | None = None
) -> SourceTable:
    """Open a CSV or Parquet file.

    Args:
        path: The file.
        encoding: A CSV's encoding, if it is neither UTF-8 nor Windows' Latin-1.
        columns: Which columns of a CSV to read; all by default.

    Raises:
        UserError: if there is no such file, or it can't be read.
    """
    if not path.is_file():
        raise UserError(f"There is no file {path}")
    if path.suffix.lower() == ".parquet":
        return _ParquetTable(path)
    return _CsvTable(path, encoding, columns)


def _filled(rows: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """The rows in which something is filled in, without the texts of no characters."""
    named = rows[[name for name in rows if name in texts]]
    return rows.assign(**named.replace("", pd.NA)).dropna(how="all")


class _CsvTable:
    """A CSV; every value stays the text that it is in the file.

    It is UTF-8 (with or without a byte-order mark), else Windows' Latin-1: what no encoding
    forbids is known at its end, so it is read once to find out. Lines with more values than there
    are columns are malformed.
    """

    def __init__(
        self, path: Path, encoding: str | None, columns: Callable[[str], bool] | None
    ) -> None:
        self._path = path
        self._wanted = columns
        self._skipped: list[str] = []
        self._encoding = self._find_encoding(encoding)
        self.columns = [str(name) for name in next(self._read()) if not _is_index(name)]
        self.types: dict[str, pa.DataType] = dict.fromkeys(self.columns, pa.string())

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        self._skipped = []
        for rows in self._read(only if only is not None else self._wanted):
            named = rows.drop(columns=[name for name in rows if _is_index(name)])
            filled = _filled(named, self.columns)
            if len(filled):
                yield filled

    @property
    def malformed(self) -> pd.DataFrame:
        rows = [("", pd.NA, self._path.name, reason) for reason in self._skipped]
        return pd.DataFrame(rows, columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})

    def _find_encoding(self, given: str | None) -> str:
        for candidate in (given,) if given else ENCODINGS:
            self._encoding = candidate
            try:
                for _ in self._read([0]):
                    pass
            except UnicodeDecodeError as error:
                problem = error
            else:
                return candidate
        raise UserError(f"{self._path} can't be read as {given or 'text'}: {problem}")

    def _read(self, columns: Any = None) -> Iterator[pd.DataFrame]:
        with self._told():
            reader = pd.read_csv(
                self._path,
                encoding=self._encoding,
                dtype=str,
                usecols=columns,
                index_col=False,
                keep_default_na=False,
                on_bad_lines="warn",
                chunksize=CHUNK,
            )
        with reader:
            while True:
                with self._told():
                    rows = next(reader, None)
                if rows is None:
                    return
                yield rows

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Note the lines that pandas says it skipped, and explain what it can't read."""
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                yield
        except UnicodeDecodeError:
            raise
        except LookupError as error:
            raise UserError(f"There is no encoding named {self._encoding!r}") from error
        except ValueError as error:
            raise UserError(f"{self._path} can't be read as CSV: {error}") from error
        for warning in told:
            self._skipped += re.findall(r"Skipping (line \d+: .*)", str(warning.message))


def _is_index(name: object) -> bool:
    return str(name).startswith("Unnamed:")


class _ParquetTable:
    """A Parquet file; every chunk has the types that pandas gives the whole table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            file = pq.ParquetFile(path)
            if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
                raise UserError(f"{path} has several columns of one name")
            self._schema = _whole_types(file)
        self.types = dict(zip(self._schema.names, self._schema.types, strict=True))
        self.columns = list(map(str, self._frame(self._schema.empty_table(), 0)))

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        start = 0
        kinds = (pa.string(), pa.large_string())
        texts = [name for name, kind in self.types.items() if kind in kinds]
        with self._told():
            for batch in pq.ParquetFile(self._path).iter_batches(CHUNK):
                table = pa.Table.from_batches([batch]).cast(self._schema, safe=False)
                rows = self._frame(table, start)
                start += len(rows)
                filled = _filled(rows if only is None else rows[[*only]], texts)
                if len(filled):
                    yield filled

    @property
    def malformed(self) -> pd.DataFrame:
        return pd.DataFrame(columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})

    def _frame(self, table: pa.Table, start: int) -> pd.DataFrame:
        """Some rows with the index that pandas wrote, if it has a name, as a column."""
        rows: pd.DataFrame = table.to_pandas().rename(columns=str)
        numbers = pd.RangeIndex(start, start + len(rows))
        for index in (self._schema.pandas_metadata or {}).get("index_columns", ()):
            # Of an index that is a range, pandas writes the limits alone.
            if isinstance(index, dict) and index.get("name"):
                rows.index = (numbers * index["step"] + index["start"]).rename(index["name"])
        return rows.reset_index(drop=rows.index.name is None).set_index(numbers)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self._path} can't be read as Parquet: {error}") from error


def _whole_types(file: pq.ParquetFile) -> pa.Schema:
    """The file's types with values for keys and, as in pandas, floats for numbers with gaps."""
    schema = file.schema_arrow
    as_read = schema.empty_table().to_pandas().dtypes
    numpy_types = {n: t for n, t in as_read.items() if isinstance(t, np.dtype)}
    whole = [n for n in schema.names if n in numpy_types and numpy_types[n].kind in "iu"]
    gaps: set[str] = set()
    for batch in file.iter_batches(CHUNK, columns=whole) if whole else ():
        gaps |= {name for name in whole if batch.column(name).null_count}
    for position, field in enumerate(schema):
        if pa.types.is_dictionary(field.type):
            schema = schema.set(position, field.with_type(field.type.value_type))
        elif field.name in gaps:
            schema = schema.set(position, field.with_type(pa.float64()))
    return schema
