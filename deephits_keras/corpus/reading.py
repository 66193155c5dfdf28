"""Read tables of many dialects in chunks, so that memory doesn't grow with the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deephits_keras.corpus.arrow_table import ArrowTable
from deephits_keras.corpus.csv_table import CsvTable
from deephits_keras.corpus.dialects import GUESSED, Dialect, recognise
from deephits_keras.corpus.record_table import ExcelTable, JsonLines
from deephits_keras.corpus.source_table import SourceTable
from deephits_keras.errors import UserError
from deephits_keras.utils.folders import MARKS


def open_table(
    path: Path, encoding: str | None = None, columns: Callable[[str], bool] | None = None
) -> SourceTable:
    """Open a table: CSV, JSON lines, Parquet (a file or a folder of parts), Feather or Excel.

    The format is detected from the content (`corpus.dialects`).

    Args:
        path: The file, or a folder of Parquet files.
        encoding: Encoding of a text file, if it isn't UTF-8, UTF-16 or Windows-1252.
        columns: Columns of a CSV to read; all by default.

    Raises:
        UserError: if the file is missing or can't be read.
    """
    if path.is_dir():
        parts = parquet_parts(path)
        if not parts:
            raise UserError(
                f"{path} is a folder without Parquet files: name a table in it, such as songs.csv"
            )
        return ArrowTable(path, parts, Dialect("parquet"))
    if not path.is_file():
        raise UserError(f"There is no file {path}")
    dialect = recognise(path, encoding)
    if dialect.format in ("parquet", "feather"):
        return ArrowTable(path, [path], dialect)
    if dialect.format == "xlsx":
        return ExcelTable(path, dialect)
    if dialect.format == "jsonl":
        return JsonLines(path, dialect)
    return CsvTable(path, dialect, columns)


def open_alike(path: Path, encoding: str | None) -> SourceTable:
    """Open a table as another one was read.

    Args:
        path: The file, or a folder of Parquet files.
        encoding: The encoding that was given for the other table; used where this one's own isn't
            certain.

    Raises:
        UserError: if the file is missing or can't be read.
    """
    table = open_table(path)
    if encoding and table.dialect.encoding in GUESSED:
        return open_table(path, encoding)
    return table


def parquet_parts(folder: Path) -> list[Path]:
    """The Parquet files of one table in a folder and its subfolders, in order.

    Raises:
        UserError: if a corpus or a run is among them, whose files would be joined to the others.
    """
    for what, (name, beside) in MARKS.items():
        for own in sorted(folder.rglob(name)):
            if (own.parent / beside).is_file():
                raise UserError(f"{folder} is no table in parts: {own.parent} is {what}")
    parts = (p for p in folder.rglob("*") if p.suffix.lower() in (".parquet", ".pq"))
    return sorted(p for p in parts if not p.name.startswith((".", "_")))
