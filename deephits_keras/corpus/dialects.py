"""Detect the format of a table file, and the encoding and separator of a text."""

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
"""First bytes of binary tables: Parquet, and Arrow files and streams."""

REFUSED = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls): save it as .xlsx or CSV"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
    (b"\x89HDF", "an HDF5 file: see `deephits importers list` for datasets made of such files"),
    (b"FEA1", "a Feather file of version 1: save it again with a newer pyarrow, or as Parquet"),
    (b"%PDF", "a PDF document, no table"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (b"RDX", "data of R: save it there with write.csv"),
    (b"X\n\0\0\0", "data of R: save it there with write.csv"),
    (b"ORC", "an ORC file: save it as Parquet"),
    (b"Obj\x01", "an Avro file: save it as Parquet"),
    (b"<stata_dta>", "data of Stata: export it as CSV"),
    (b"$FL2", "data of SPSS: export it as CSV"),
    (b"(\xb5/\xfd", "compressed with Zstandard: unpack it, or compress it with gzip"),
    (b"\x80\x04", "a Python pickle, which is never opened: save it as Parquet"),
    (b"\x80\x05", "a Python pickle, which is never opened: save it as Parquet"),
)
"""First bytes of unsupported files, with their type and what to do."""

COMPRESSED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"PK\x03\x04", "zip"))
"""First bytes of compressed files, which may contain one table."""

BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


GUESSED = ("cp1252", "latin-1")
"""Encodings that any bytes may be in: taken if they aren't UTF-8 or UTF-16."""


@dataclass(frozen=True)
class Dialect:
    """How to read a file.

    Attributes:
        format: `csv`, `jsonl`, `parquet`, `feather` or `xlsx`.
        encoding: Encoding of a text, by Python's name.
        separator: Separator of a CSV.
        skipped: Number of lines before the header.
        compression: A name in `COMPRESSED`, or empty.
        damaged_lines: Number of lines that aren't valid UTF-8; their rows are rejected.
        sheet: The sheet of a workbook that has several.
    """

    format: str
    encoding: str = "utf-8"
    separator: str = ","
    skipped: int = 0
    compression: str = ""
    damaged_lines: int = 0
    sheet: str = ""

    def describe(self) -> str:
        """Description of the format, as far as it is unusual.

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
        if self.sheet:
            told.append(f"of several sheets {self.sheet!r}")
        names = {"csv": "CSV", "jsonl": "JSON lines", "xlsx": "Excel workbook"}
        return ", ".join([names.get(self.format, self.format.capitalize()), *told])

    @property
    def plain(self) -> bool:
        """Whether the format is the usual one."""
        return self.format == "parquet" or self.describe() == "CSV"


def recognise(path: Path, encoding: str | None = None) -> Dialect:
    """Detect a file's format by its first bytes, and that of a text by its whole content.

    Args:
        path: The file.
        encoding: Encoding of a text, if known.

    Raises:
        UserError: if it isn't a table, with its type and what to do.
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
    if head[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive: unpack it and name the table")
    if binary := next((name for magic, name in BINARY if head.startswith(magic)), None):
        if compression:
            raise UserError(f"{path} is compressed, and not a text inside: unpack it first")
        return Dialect(binary)
    if path.suffix.lower() in (".parquet", ".pq", ".feather"):
        kind = path.suffix.lower().lstrip(".")
        raise UserError(
            f"{path} can't be read as {kind.capitalize()}: its first bytes are of another format"
        )
    known, damaged = (encoding, 0) if encoding else _encoding(path, head, compression)
    try:
        text = head.decode(known, errors="ignore" if known != encoding else "strict")
    except LookupError as error:
        raise UserError(f"There is no encoding named {known!r}") from error
    except UnicodeDecodeError:
        text = head.decode(known, errors="ignore")
    start = text.lstrip("\ufeff \t\r\n")
    if re.match(r"<(?:!doctype|html|\?xml|table|head|body)", start, re.IGNORECASE):
        raise UserError(f"{path} is an HTML or XML page, no table: download the file itself")
    if re.match(r"\[\s*(?:\{|$)" if path.suffix.lower() != ".json" else r"\[", start):
        raise UserError(f"{path} is one JSON array: write one object per line (jq -c '.[]')")
    if start.startswith("{"):
        return Dialect("jsonl", known, compression=compression, damaged_lines=damaged)
    separator, skipped = _separator(text.lstrip("\ufeff"))
    return Dialect("csv", known, separator, skipped, compression, damaged)


def open_bytes(path: Path, compression: str = "") -> IO[bytes]:
    """The decompressed bytes of a file.

    Raises:
        UserError: if it is a ZIP archive that doesn't contain exactly one file.
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
"""Errors of decompressing damaged files."""


def _unpacked(path: Path, compression: str) -> bytes:
    try:
        with open_bytes(path, compression) as file:
            return file.read(HEAD)
    except (*DAMAGED, RuntimeError, NotImplementedError) as error:
        # A member with a password, or with an unsupported compression.
        raise UserError(f"{path} is damaged: it can't be unpacked: {error}") from error


def _encoding(path: Path, head: bytes, compression: str) -> tuple[str, int]:
    """Encoding of a text, and the number of lines that are invalid in it.

    UTF-8 with or without a BOM, UTF-16 by its BOM or zero bytes; otherwise the majority of lines
    decides between UTF-8 with damaged lines and Windows-1252.
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
    return GUESSED[0 if windows else 1], 0


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
    """The separator of a CSV, and the number of lines before its header."""
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
        # The last record may be truncated.
        reader = csv.reader(io.StringIO(rest), delimiter=separator, skipinitialspace=True)
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
    """Whether a line before the header is a comment.

    A header may also start with `#`: it has as many values as the next line, which contains
    numbers or fewer known column names.
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
