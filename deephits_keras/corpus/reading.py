"""Reading tables as found in the wild, a chunk at a time: memory doesn't grow with the table."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq

from deephits_keras.corpus.dialects import Dialect, open_bytes, recognise
from deephits_keras.corpus.validate import REJECTED_COLUMNS
from deephits_keras.errors import UserError

CHUNK = 4096
"""Rows in memory at a time."""

UNDECODED = "\N{REPLACEMENT CHARACTER}"
"""What a byte becomes that its encoding doesn't know."""


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


def open_table(
    path: Path, encoding: str | None = None, columns: Callable[[str], bool] | None = None
) -> SourceTable:
    """Open a table: CSV, JSON lines, Parquet (a file or a folder of parts), Feather or Excel.

    What it is is told by its content (`corpus.dialects`).

    Args:
        path: The file, or a folder of Parquet files.
        encoding: A text's encoding, if it isn't UTF-8, UTF-16 or Windows' Latin-1.
        columns: Which columns of a CSV to read; all by default.

    Raises:
        UserError: if there is no such file, or it can't be read.
    """
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.suffix.lower() in (".parquet", ".pq"))
        if not parts:
            raise UserError(f"{path} is a folder without Parquet files: name a table in it")
        return _ArrowTable(path, parts, Dialect("parquet"))
    if not path.is_file():
        raise UserError(f"There is no file {path}")
    dialect = recognise(path, encoding)
    if dialect.format in ("parquet", "feather"):
        return _ArrowTable(path, [path], dialect)
    if dialect.format == "xlsx":
        return _ExcelTable(path, dialect)
    if dialect.format == "jsonl":
        return _JsonLines(path, dialect)
    return _CsvTable(path, dialect, columns)


def _filled(rows: pd.DataFrame, texts: Collection[str]) -> pd.DataFrame:
    """The rows in which something is filled in, without the texts of no characters."""
    named = rows[[name for name in rows if name in texts]]
    return rows.assign(**named.replace("", pd.NA)).dropna(how="all")


class _CsvTable:
    """A CSV; every value stays the text that it is in the file.

    Lines with more values than there are columns are malformed, as are rows with a byte that the
    encoding doesn't know.
    """

    def __init__(self, path: Path, dialect: Dialect, columns: Callable[[str], bool] | None) -> None:
        self._path = path
        self._wanted = columns
        self._skipped: list[str] = []
        self.dialect = dialect
        first = next(self._read(), None)
        if first is None:
            raise UserError(f"{path} holds a header and no rows")
        self.columns = [str(name) for name in first if not _is_index(name)]
        if self.columns and first.columns[0] != self.columns[0] and _is_fma(first):
            raise UserError(
                f"{path} has three header lines, as FMA's tracks.csv: use `deephits import fma`"
            )
        self.types: dict[str, pa.DataType] = dict.fromkeys(self.columns, pa.string())

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        self._skipped = []
        for rows in self._read(only if only is not None else self._wanted):
            named = rows.drop(columns=[name for name in rows if _is_index(name)])
            filled = self._without_damage(_filled(named, self.columns))
            if len(filled):
                yield filled

    def _without_damage(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows whose bytes are all of the encoding; the others are malformed."""
        if not self.dialect.damaged_lines:
            return rows
        texts = rows.fillna("").agg("\x1f".join, axis=1)
        damaged = texts.str.contains(UNDECODED, regex=False)
        self._skipped += [
            f"row {number + 1}: a byte that isn't {self.dialect.encoding.upper()}"
            for number in rows.index[damaged]
        ]
        return rows[~damaged]

    @property
    def malformed(self) -> pd.DataFrame:
        return _malformed(self._path, self._skipped)

    def _read(self, columns: Any = None) -> Iterator[pd.DataFrame]:
        with self._told():
            reader = pd.read_csv(
                self._path,
                encoding=self.dialect.encoding,
                encoding_errors="replace" if self.dialect.damaged_lines else "strict",
                sep=self.dialect.separator,
                skiprows=self.dialect.skipped,
                compression="gzip" if self.dialect.compressed else None,
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
        except UnicodeDecodeError as error:
            encoding = self.dialect.encoding
            raise UserError(f"{self._path} can't be read as {encoding}: {error}") from error
        except LookupError as error:
            raise UserError(f"There is no encoding named {self.dialect.encoding!r}") from error
        except ValueError as error:
            raise UserError(f"{self._path} can't be read as CSV: {error}") from error
        for warning in told:
            self._skipped += re.findall(r"Skipping (line \d+: .*)", str(warning.message))


def _is_index(name: object) -> bool:
    return str(name).startswith("Unnamed:")


def _is_fma(rows: pd.DataFrame) -> bool:
    """Whether the second line under the header names the index: FMA's own three lines."""
    return len(rows) > 1 and str(rows.iloc[1, 0]) == "track_id"


class _ArrowTable:
    """Parquet (one file or several parts) or Feather; every chunk has the whole table's types."""

    def __init__(self, path: Path, parts: Sequence[Path], dialect: Dialect) -> None:
        self._path, self._parts = path, parts
        self.dialect = dialect
        with self._told():
            schemas = [self._schema_of(part) for part in parts]
            schema = pa.unify_schemas(schemas, promote_options="permissive")
            if len(set(schema.names)) < len(schema.names):
                raise UserError(f"{path} has several columns of one name")
            self._gaps = self._whole_numbers_with_gaps(schema)
            self._schema = _value_types(schema)
        self.types = dict(zip(self._schema.names, self._schema.types, strict=True))
        self.columns = list(map(str, self._frame(self._schema.empty_table(), 0)))

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        start = 0
        kinds = (pa.string(), pa.large_string())
        texts = [name for name, kind in self.types.items() if kind in kinds]
        with self._told():
            for batch in self._batches():
                rows = self._frame(self._as_a_whole(batch), start)
                start += len(rows)
                filled = _filled(rows if only is None else rows[[*only]], texts)
                if len(filled):
                    yield filled

    @property
    def malformed(self) -> pd.DataFrame:
        return pd.DataFrame(columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})

    def _schema_of(self, part: Path) -> pa.Schema:
        if self.dialect.format == "parquet":
            return pq.ParquetFile(part).schema_arrow
        return pa_dataset.dataset(part, format="feather").schema

    def _batches(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        for part in self._parts:
            if self.dialect.format == "parquet":
                file = pq.ParquetFile(part)
                known = (
                    None
                    if columns is None
                    else [name for name in columns if name in file.schema_arrow.names]
                )
                yield from file.iter_batches(CHUNK, columns=known)
            else:
                found = pa_dataset.dataset(part, format="feather")
                yield from found.to_batches(columns=columns, batch_size=CHUNK)

    def _whole_numbers_with_gaps(self, schema: pa.Schema) -> set[str]:
        whole = [field.name for field in schema if pa.types.is_integer(field.type)]
        gaps: set[str] = set()
        for batch in self._batches(whole) if whole else ():
            held = set(batch.schema.names)
            gaps |= {n for n in whole if n not in held or batch.column(n).null_count}
        return gaps

    def _as_a_whole(self, batch: pa.RecordBatch) -> pa.Table:
        table = pa.Table.from_batches([batch])
        for field in self._schema:
            if field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(len(table), field.type))
        return table.select(self._schema.names).cast(self._schema, safe=False)

    def _frame(self, table: pa.Table, start: int) -> pd.DataFrame:
        """Some rows with the index that pandas wrote, if it has a name, as a column.

        Whole numbers with gaps stay whole: an id of 18 digits is another one as a float.
        """
        rows: pd.DataFrame = table.to_pandas(maps_as_pydicts="lossy").rename(columns=str)
        for name in self._gaps & set(rows):
            rows[name] = table.column(name).to_pandas(types_mapper=NULLABLE.get)
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
            kind = self.dialect.format.capitalize()
            raise UserError(f"{self._path} can't be read as {kind}: {error}") from error


NULLABLE = {
    pa.int8(): pd.Int64Dtype(),
    pa.int16(): pd.Int64Dtype(),
    pa.int32(): pd.Int64Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.Int64Dtype(),
    pa.uint16(): pd.Int64Dtype(),
    pa.uint32(): pd.Int64Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def _value_types(schema: pa.Schema) -> pa.Schema:
    """The types with values for keys."""
    for position, field in enumerate(schema):
        if pa.types.is_dictionary(field.type):
            schema = schema.set(position, field.with_type(field.type.value_type))
    return schema


class _JsonLines:
    """One JSON object per line; values keep their types."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path, self.dialect = path, dialect
        self._skipped: list[str] = []
        names: dict[str, None] = {}
        for _, row in self._rows():
            names.update(dict.fromkeys(row))
        if not names:
            raise UserError(f"{path} holds no JSON object")
        self.columns = list(names)
        self.types: dict[str, pa.DataType] = {}

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        self._skipped = []
        wanted = self.columns if only is None else [*only]
        rows = self._rows()
        while part := list(itertools.islice(rows, CHUNK)):
            index = pd.Index([number for number, _ in part])
            columns = {
                name: pd.Series([row.get(name) for _, row in part], index=index, dtype=object)
                for name in wanted
            }
            filled = _filled(pd.DataFrame(columns), wanted)
            if len(filled):
                yield filled

    @property
    def malformed(self) -> pd.DataFrame:
        return _malformed(self._path, self._skipped)

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        with open_bytes(self._path, compressed=self.dialect.compressed) as file:
            text = io.TextIOWrapper(file, self.dialect.encoding, errors="surrogateescape")
            for line_number, line in enumerate(text, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.lstrip("\ufeff"))
                    line.encode("utf-8")
                except (ValueError, RecursionError) as error:
                    self._skipped.append(f"line {line_number}: it isn't JSON: {error}")
                    continue
                if not isinstance(row, dict):
                    self._skipped.append(f"line {line_number}: it isn't a JSON object")
                    continue
                yield number, row
                number += 1


class _ExcelTable:
    """The first sheet of an Excel workbook."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path, self.dialect = path, dialect
        self.columns = [str(name) for name in next(self._rows(), ()) if name is not None]
        if not self.columns:
            raise UserError(f"{path}: the first sheet has no header")
        self.types: dict[str, pa.DataType] = {}

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        rows = self._rows()
        header = [str(name) for name in next(rows)]
        start = 0
        while part := list(itertools.islice(rows, CHUNK)):
            index = pd.RangeIndex(start, start + len(part))
            start += len(part)
            whole = pd.DataFrame(part, columns=header[: len(part[0])], index=index, dtype=object)
            wanted = self.columns if only is None else [*only]
            filled = _filled(whole[wanted], wanted)
            if len(filled):
                yield filled

    @property
    def malformed(self) -> pd.DataFrame:
        return _malformed(self._path, [])

    def _rows(self) -> Iterator[tuple[Any, ...]]:
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
            yield from book.worksheets[0].iter_rows(values_only=True)
        finally:
            book.close()


def _malformed(path: Path, skipped: Sequence[str]) -> pd.DataFrame:
    rows = [("", pd.NA, path.name, reason) for reason in skipped]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS).astype({"source_row": "Int64"})
