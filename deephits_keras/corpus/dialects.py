"""What kind of table a file is: its format, and of a text its encoding and separator."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deephits_keras.errors import UserError

HEAD = 2**16
SAMPLE_LINES = 50
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls): save it as .xlsx or CSV"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"\x89HDF", "an HDF5 file: see `deephits importers list` for datasets made of such files"),
    (b"%PDF", "a PDF document, no table"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"BZh", "compressed with bzip2: unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "compressed with xz: unpack it, or compress it with gzip"),
    (b"(\xb5/\xfd", "compressed with Zstandard: unpack it, or compress it with gzip"),
    (b"\x80\x04", "a Python pickle, which is never opened: save it as Parquet"),
    (b"\x80\x05", "a Python pickle, which is never opened: save it as Parquet"),
)
"""How files begin that aren't read, with what they are and what to do."""

BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Dialect:
    """How to read a file.

    Attributes:
        format: `csv`, `jsonl`, `parquet`, `feather` or `xlsx`.
        encoding: Of a text, by Python's name.
        separator: Of a CSV.
        skipped: Lines before the header.
        compressed: Whether it is compressed with gzip.
        damaged_lines: Lines of a UTF-8 text that aren't UTF-8; their rows are rejected.
    """

    format: str
    encoding: str = "utf-8"
    separator: str = ","
    skipped: int = 0
    compressed: bool = False
    damaged_lines: int = 0

    def describe(self) -> str:
        """What was recognised, in words, as far as it isn't what everybody expects.

        Example:
            >>> Dialect("csv", "utf-16", ";").describe()
            'CSV, encoded in utf-16, separated by semicolons'
        """
        told = []
        if self.compressed:
            told.append("compressed with gzip")
        if self.format in ("csv", "jsonl") and self.encoding not in ("utf-8", "utf-8-sig"):
            told.append(f"encoded in {self.encoding}")
        if self.format == "csv" and self.separator != ",":
            told.append(f"separated by {SEPARATOR_NAMES.get(self.separator, self.separator)}s")
        if self.skipped:
            told.append(f"{self.skipped} lines before the header")
        names = {"csv": "CSV", "jsonl": "JSON lines", "xlsx": "Excel workbook"}
        return ", ".join([names.get(self.format, self.format.capitalize()), *told])

    @property
    def plain(self) -> bool:
        """Whether it is what everybody expects: nothing needs to be said."""
        return self.format == "parquet" or self.describe() == "CSV"


def recognise(path: Path, encoding: str | None = None) -> Dialect:
    """Tell what a file is by its first bytes, and of a text by all of it.

    Args:
        path: The file.
        encoding: A text's encoding, if it is known.

    Raises:
        UserError: if it is no table, with what it is and what to do.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head.strip():
        raise UserError(f"{path} is empty")
    compressed = head[:2] == b"\x1f\x8b"
    if compressed:
        head = _unpacked(path)
    for magic, what in REFUSED:
        if head.startswith(magic):
            raise UserError(f"{path} is {what}")
    if head[:4] == b"PAR1":
        return Dialect("parquet")
    if head[:6] == b"ARROW1" or head[:4] == b"FEA1":
        return Dialect("feather")
    if head[:4] == b"PK\x03\x04":
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            return Dialect("xlsx")
        raise UserError(f"{path} is a ZIP archive: unpack it first")
    if path.suffix.lower() in (".parquet", ".pq", ".feather"):
        kind = path.suffix.lower().lstrip(".")
        raise UserError(f"{path} can't be read as {kind.capitalize()}: it doesn't begin as one")
    known, damaged = (encoding, 0) if encoding else _encoding(path, head, compressed=compressed)
    try:
        text = head.decode(known, errors="ignore" if known != encoding else "strict")
    except LookupError as error:
        raise UserError(f"There is no encoding named {known!r}") from error
    except UnicodeDecodeError:
        text = head.decode(known, errors="ignore")
    start = text.lstrip("\ufeff \t\r\n")
    if re.match(r"<(?:!doctype|html|\?xml)", start, re.IGNORECASE):
        raise UserError(f"{path} is an HTML or XML page, no table: download the file itself")
    if start.startswith("[") and path.suffix.lower() == ".json":
        raise UserError(f"{path} is one JSON array: write one object per line (jq -c '.[]')")
    if start.startswith("{"):
        return Dialect("jsonl", known, compressed=compressed, damaged_lines=damaged)
    separator, skipped = _separator(text.lstrip("\ufeff"))
    return Dialect("csv", known, separator, skipped, compressed, damaged)


def open_bytes(path: Path, *, compressed: bool) -> IO[bytes]:
    """The file's bytes, unpacked."""
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(HEAD)
    except (OSError, EOFError) as error:
        raise UserError(f"{path} is damaged: it can't be unpacked: {error}") from error


def _encoding(path: Path, head: bytes, *, compressed: bool) -> tuple[str, int]:
    """A text's encoding, and how many of its lines aren't in it.

    UTF-8 with or without a mark, UTF-16 by its mark or its zero bytes; else most lines decide
    between UTF-8 with damaged lines and Windows' Latin-1.
    """
    for mark, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name, 0
    if head[1:400:2].count(0) > len(head[1:400:2]) // 2:
        return "utf-16-le", 0
    if head[0:400:2].count(0) > len(head[0:400:2]) // 2:
        return "utf-16-be", 0
    good = bad = 0
    windows = True
    for line in _lines(path, compressed=compressed):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
            good += 1
        except UnicodeDecodeError:
            bad += 1
            windows = windows and _decodes(line, "cp1252")
    if not bad or good > bad:
        return "utf-8", bad
    return ("cp1252" if windows else "latin-1"), 0


def _lines(path: Path, *, compressed: bool) -> Iterator[bytes]:
    try:
        with open_bytes(path, compressed=compressed) as file:
            yield from file
    except (OSError, EOFError) as error:
        raise UserError(f"{path} can't be read: {error}") from error


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _separator(text: str) -> tuple[str, int]:
    """The separator of a CSV, and how many lines stand before its header."""
    lines = text.splitlines(keepends=True)
    skipped = 0
    if lines and (stated := re.match(r"sep=(.)\s*$", lines[0])):
        return stated[1], 1
    while skipped < len(lines) and (lines[skipped].startswith("#") or not lines[skipped].strip()):
        skipped += 1
    rest = "".join(lines[skipped:])
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        # The last record may be cut off by the end of the sample.
        reader = csv.reader(io.StringIO(rest), delimiter=separator)
        try:
            rows = [row for row in itertools.islice(reader, SAMPLE_LINES) if row]
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width < 2:
            continue
        whole = rows[:-1] or rows
        alike = sum(len(row) == width for row in whole) / len(whole)
        if (alike, width) > best_score:
            best, best_score = separator, (alike, width)
    return best, skipped
