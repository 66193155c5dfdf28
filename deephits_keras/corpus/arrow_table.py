"""Parquet files, folders of Parquet files, and Feather files."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from deephits_keras.corpus.arrow_values import stored_type, stored_values
from deephits_keras.corpus.dialects import Dialect
from deephits_keras.corpus.source_table import CHUNK, filled, malformed_rows
from deephits_keras.errors import UserError

UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""Name of an unnamed pandas index in a file."""


class ArrowTable:
    """Rows with Arrow types; every chunk has the types of the whole table.

    Args:
        path: The file or the folder.
        parts: The files, in order.
        dialect: Their detected format.

    Raises:
        UserError: if they can't be read.
    """

    def __init__(self, path: Path, parts: Sequence[Path], dialect: Dialect) -> None:
        self._path, self._parts = path, parts
        self.dialect = dialect
        with self._told():
            schemas = [self._schema_of(part) for part in parts]
            self._index = _index_of(schemas[0])
            stored = [_stored(schema) for schema in schemas]
            for names in (schema.names for schema in stored):
                if len(set(names)) < len(names):
                    raise UserError(f"{path} has several columns with the same name")
            for part, schema in zip(parts, stored, strict=True):
                if differing := sorted(set(schema.names) ^ set(stored[0].names)):
                    raise UserError(
                        f"{path} is no table in parts: {part} and {parts[0]} have different "
                        f"columns ({', '.join(differing[:10])}): name one of them"
                    )
            self._schema = pa.unify_schemas(stored, promote_options="permissive")
        self.types = dict(zip(self._schema.names, self._schema.types, strict=True))
        self.columns = [*(name for name in self._index if name not in self.types), *self.types]

    def chunks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """See `SourceTable`."""
        start = 0
        kinds = (pa.string(), pa.large_string())
        texts = [name for name, kind in self.types.items() if kind in kinds]
        wanted = [name for name in self.columns if only is None or name in only]
        with self._told():
            for part in self._parts:
                held = [name for name in self._schema_of(part).names if name in wanted]
                for batch in self._batches(part, held):
                    rows = self._frame(batch, wanted, start)
                    start += len(rows)
                    found = filled(rows, texts)
                    if len(found):
                        yield found

    @property
    def malformed(self) -> pd.DataFrame:
        """See `SourceTable`."""
        return malformed_rows(self._path)

    def _schema_of(self, part: Path) -> pa.Schema:
        if self.dialect.format == "parquet":
            return pq.ParquetFile(part).schema_arrow
        with pa.memory_map(str(part)) as source:
            return _ipc(source).schema

    def _batches(self, part: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self.dialect.format == "parquet":
            # Rows count even without columns, for example with a range index of pandas.
            with pq.ParquetFile(part) as file:
                yield from file.iter_batches(CHUNK, columns=columns or None)
            return
        with pa.memory_map(str(part)) as source:
            reader = _ipc(source)
            whole = (
                (reader.get_batch(place) for place in range(reader.num_record_batches))
                if isinstance(reader, pa.RecordBatchFileReader)
                else reader
            )
            for batch in whole:
                for start in range(0, batch.num_rows, CHUNK):
                    yield batch.slice(start, CHUNK)

    def _frame(self, batch: pa.RecordBatch, wanted: Sequence[str], start: int) -> pd.DataFrame:
        """Some rows, with a named pandas index as a column."""
        numbers = pd.RangeIndex(start, start + batch.num_rows)
        columns = {}
        for name in wanted:
            if name in self._index and name not in self.types:
                first, step = self._index[name]
                columns[name] = pd.Series(numbers * step + first, index=numbers)
                continue
            kind = self.types[name]
            held = name in batch.schema.names
            values = batch.column(name) if held else pa.nulls(batch.num_rows, kind)
            columns[name] = stored_values(values, kind).set_axis(numbers)
        return pd.DataFrame(columns, index=numbers)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            kind = self.dialect.format.capitalize()
            raise UserError(f"{self._path} can't be read as {kind}: {error}") from error


def _ipc(source: pa.MemoryMappedFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    """A reader of Arrow files and streams (as written by `datasets`)."""
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _stored(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [
            (field.name, stored_type(field.type))
            for field in schema
            if not UNNAMED_INDEX.fullmatch(field.name)
        ]
    )


def _index_of(schema: pa.Schema) -> dict[str, tuple[int, int]]:
    """Named range indices of pandas: first value and step."""
    found = {}
    for index in (schema.pandas_metadata or {}).get("index_columns", ()):
        if isinstance(index, dict) and index.get("name"):
            found[str(index["name"])] = int(index["start"]), int(index["step"])
    return found
