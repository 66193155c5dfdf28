"""What kind of table a file is: its format, and of a text its encoding and separator."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deephits_keras.corpus.names import KNOWN, normal
from deephits_keras.errors import UserError

HEAD = 2**16
SAMPLE_LINES = 50
SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

BINARY = ((b"PAR1", "parquet"), (b"ARROW1", "feather"), (b"\xff\xff\xff\xff", "feather"))
"""How binary tables begin: Parquet, and Arrow's own format as a file and as a stream."""

REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls): save it as .xlsx or CSV"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"\x89HDF", "an HDF5 file: see `deephits importers list` for datasets made of such files"),
    (b"FEA1", "a Feather file of version 1: save it again with a newer pyarrow, or as Parquet"),
    (b"%PDF", "a PDF document, no table"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"(\xb5/\xfd", "compressed with Zstandard: unpack it, or compress it with gzip"),
    (b"\x80\x04", "a Python pickle, which is never opened: save it as Parquet"),
    (b"\x80\x05", "a Python pickle, which is never opened: save it as Parquet"),
)
"""How files begin that aren't read, with what they are and what to do."""

COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"PK\x03\x04", "zip"))
"""How files begin that are compressed, of which one table is read."""

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
        compression: How it is compressed: a name in `COMPRESSED`, or nothing.
        damaged_lines: Lines of a UTF-8 text that aren't UTF-8; their rows are rejected.
    """

    format: str
    encoding: str = "utf-8"
    separator: str = ","
    skipped: int = 0
    compression: str = ""
    damaged_lines: int = 0

    def describe(self) -> str:
        """What was recognised, in words, as far as it isn't what everybody expects.

        Example:
            >>> Dialect("csv", "utf-16", ";").describe()
            'CSV, encoded in utf-16, separated by semicolons'
        """
        told = []
        if self.compression:
            told.append(f"compressed with {self.compression}")
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
    compression = next((name for magic, name in COMPRESSED if head.startswith(magic)), "")
    if compression == "zip" and _is_workbook(path):
        return Dialect("xlsx")
    if compression:
        head = _unpacked(path, compression)
    for magic, what in REFUSED:
        if head.startswith(magic):
            raise UserError(f"{path} is {what}")
    if binary := next((name for magic, name in BINARY if head.startswith(magic)), None):
        if compression:
            raise UserError(f"{path} is compressed, and not a text inside: unpack it first")
        return Dialect(binary)
    if path.suffix.lower() in (".parquet", ".pq", ".feather"):
        kind = path.suffix.lower().lstrip(".")
        raise UserError(f"{path} can't be read as {kind.capitalize()}: it doesn't begin as one")
    known, damaged = (encoding, 0) if encoding else _encoding(path, head, compression)
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
        return Dialect("jsonl", known, compression=compression, damaged_lines=damaged)
    separator, skipped = _separator(text.lstrip("\ufeff"))
    return Dialect("csv", known, separator, skipped, compression, damaged)


def open_bytes(path: Path, compression: str = "") -> IO[bytes]:
    """The file's bytes, unpacked.

    Raises:
        UserError: if it is a ZIP archive that holds another number of files than one.
    """
    match compression:
        case "gzip":
            return gzip.open(path)  # type: ignore[return-value]
        case "bzip2":
            return bz2.open(path)
        case "xz":
            return lzma.open(path)
        case "zip":
            archive = zipfile.ZipFile(path)
            return archive.open(_only_member(path, archive))
    return path.open("rb")


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/") and "/." not in f"/{name}"
    ]
    if len(names) != 1:
        held = ", ".join(names[:5]) or "none"
        raise UserError(
            f"{path} is a ZIP archive of {len(names)} files ({held}): unpack it and name the table"
        )
    return names[0]


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is damaged: it can't be unpacked: {error}") from error


DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""What unpacking raises of damaged files."""


def _unpacked(path: Path, compression: str) -> bytes:
    try:
        with open_bytes(path, compression) as file:
            return file.read(HEAD)
    except (*DAMAGED, RuntimeError, NotImplementedError) as error:
        # A member that needs a password, or is packed in a way that Python doesn't know.
        raise UserError(f"{path} is damaged: it can't be unpacked: {error}") from error


def _encoding(path: Path, head: bytes, compression: str) -> tuple[str, int]:
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
    for line in _lines(path, compression):
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


def _lines(path: Path, compression: str) -> Iterator[bytes]:
    try:
        with open_bytes(path, compression) as file:
            yield from file
    except DAMAGED as error:
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
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    while skipped < len(lines) and _is_comment(lines, skipped):
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


NUMBER = re.compile(r"\s*[+-]?\d+(?:[.,]\d+)?\s*%?\s*")


def _is_comment(lines: Sequence[str], number: int) -> bool:
    """Whether a line before the header says nothing of the rows.

    A header may begin with `#`, too: it has as many values as the line under it, in which there are
    numbers, or which has fewer of the names that columns have.
    """
    line = lines[number]
    if not line.strip():
        return True
    if not line.startswith("#"):
        return False
    for separator in SEPARATORS:
        # The values may go over several lines.
        records = csv.reader(io.StringIO("".join(lines[number:])), delimiter=separator)
        try:
            names, values = [*itertools.islice(filter(None, records), 2), [], []][:2]
        except csv.Error:
            continue
        if len(names) == len(values) > 1:
            known = [sum(normal(cell) in KNOWN for cell in cells) for cells in (names, values)]
            return not (any(map(NUMBER.fullmatch, values)) or known[0] > known[1])
    return True
