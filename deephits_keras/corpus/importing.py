"""Import tables as a corpus."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.artists import listed_artists
from deephits_keras.corpus.decimals import decimal_marks, mark_notes
from deephits_keras.corpus.dialects import GUESSED
from deephits_keras.corpus.filters import Filter
from deephits_keras.corpus.finishing import ImportSummary, TrackSource, finish_import
from deephits_keras.corpus.known import KnownWhen
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.names import KNOWN, match_columns, normal
from deephits_keras.corpus.reading import open_table, parquet_parts
from deephits_keras.corpus.source_table import SourceTable
from deephits_keras.corpus.sources import source_info
from deephits_keras.corpus.table import check_target
from deephits_keras.corpus.units import differing_units, unit_factors, unit_notes
from deephits_keras.corpus.values import STANDARD, read_ids
from deephits_keras.encoders.registry import installed_inputs
from deephits_keras.errors import UserError


def import_table(
    source: str | Path,
    folder: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    audio: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    filters: Sequence[Filter] = (),
    encoding: str | None = None,
    lyrics: LyricsCleaning | None = None,
    duplicates: str = "first",
    artist_separators: Sequence[str] = (),
    popularity_scale: float | None = None,
    known: Mapping[str, str] | None = None,
) -> ImportSummary:
    """Import any table with a popularity: CSV, JSON lines, Parquet, Feather or Excel.

    Without track ids, an id is computed from title and artist: the first 22 hexadecimal digits of
    the SHA-256 of both in lower case, so that a song has the same id in every table and
    duplicates are found.

    Args:
        source: The file.
        folder: Folder of the corpus.
        columns: The source's column for each standard name that `names.match_columns` doesn't
            find. Other columns keep their names.
        audio: Folder of recordings, named after the track ids or in a column `audio` of
            paths relative to this folder. None for no recordings.
        inputs: The same for other file inputs of encoders, such as `{"cover": Path("covers")}`;
            may contain `audio`.
        filters: Filters to apply.
        encoding: Encoding of a text file, if it isn't UTF-8, UTF-16 or Latin-1.
        lyrics: Settings of lyrics cleaning.
        duplicates: Rule for rows with the same id: a name in `DUPLICATES`.
        artist_separators: Texts that always separate artists, for example `;`.
        popularity_scale: Factor of popularity: 100 if it is from 0 to 1.
        known: When the values of columns are known: `release`, `later` (splits by time refuse
            models that read them) or a column of dates, by column: values whose date may be after
            the release are removed.

    Raises:
        UserError: if the file can't be read, lacks a column, or no row of it can be used.
    """
    if not isinstance(source, str | os.PathLike):
        raise UserError(
            "The source must be the path of a table: write a DataFrame with to_parquet first. "
            f"Received: {type(source).__name__}"
        )
    source, folder = Path(source), Path(folder)
    check_target(folder)
    if popularity_scale is not None and not 0 < popularity_scale < math.inf:
        raise UserError(f"The popularity scale must be positive. Received: {popularity_scale:g}")
    reader = TableReader(open_table(source, encoding), source, columns or {})
    found = reader.found
    notes = [] if reader.table.dialect.plain else [f"read as {reader.table.dialect.describe()}"]
    if encoding is None and reader.table.dialect.encoding in GUESSED:
        notes.append(
            "its bytes aren't UTF-8: if letters are wrong, name the encoding by --encoding"
        )
    if source.is_dir():
        notes.append(f"{len(parquet_parts(source)):,} Parquet files of {source} were joined")
    notes += [
        f"{old} is taken for {new}" for new, old in found.recognised.items() if _says(new, old)
    ]
    notes += reader.unit_notes
    notes += [
        f"{old} isn't used: did you mean {new}? Then --column {new}={old}"
        for old, new in found.near_misses.items()
    ]
    notes += [
        f"{old} isn't used, as {found.by_standard.get(new, new)} is there: --column {new}={old} "
        "takes it instead"
        for old, new in found.passed_over.items()
    ]
    notes += _unused(reader)
    return finish_import(
        reader.source(artist_separators),
        folder,
        audio=audio,
        inputs=inputs,
        known=KnownWhen(known or {}),
        filters=filters,
        lyrics=lyrics,
        duplicates=duplicates,
        factors={
            **reader.factors,
            **({"popularity": popularity_scale} if popularity_scale else {}),
        },
        marks=reader.marks,
        notes=notes,
        info={
            "source": source.name,
            "importer": "table",
            "columns": {**found.by_standard, **dict(columns or {})},
            "read_as": reader.table.dialect.describe(),
            **({"encoding": encoding} if encoding else {}),
            **source_info(source.parent),
        },
    )


def _says(standard: str, column: str) -> bool:
    """Whether to note that a column is used as a standard one."""
    return normal(column) != standard and column not in KNOWN_NAMES


def _unused(reader: TableReader) -> list[str]:
    """Columns that stay as they are: fields that an encoder or a split may name."""
    files = {name for name, each in installed_inputs().items() if each.kind == "file"}
    near = reader.found.near_misses
    others = [
        old
        for old, new in reader.found.names.items()
        if new not in KNOWN and old not in near and new not in files
    ]
    if not others:
        return []
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return [f"no standard columns, kept under their own names: {', '.join(others[:SHOWN])}{more}"]


SHOWN = 10
"""Names in a list of columns."""

KNOWN_NAMES = frozenset(("id", "name", "artist", "artists", "track_name", "track_artist", "year"))
"""Common names of a track's id, title, artist and year."""


class TableReader:
    """A table's rows under standard names, as read by `import` and `predict`.

    Args:
        table: The table.
        source: Its path, for messages.
        given: The caller's column for each standard name.
        required: Required standard names.
        reading: How another table was read (`Corpus.reading`), for columns of the same names.

    Raises:
        UserError: if a given or a required column is missing.
    """

    def __init__(
        self,
        table: SourceTable,
        source: Path,
        given: Mapping[str, str],
        *,
        required: Collection[str] = ("popularity",),
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        self.table = table
        former = (reading or {}).get("columns", {})
        there = {name: column for name, column in former.items() if column in table.columns}
        self.found = match_columns(table.columns, {**there, **given}, source, required=required)
        self._names = self.found.names
        self._with_ids = "track_id" in self._names.values()
        columns = {name: column for column, name in self._names.items()}
        first = self._first_rows(columns)
        alike = {name for name in columns if columns[name] == former.get(name, name)}
        self.marks = decimal_marks(first, columns)
        for name, mark in (reading or {}).get("decimal_marks", {}).items():
            if name in alike:
                self.marks.setdefault(name, mark)
        by_size = unit_factors(first, columns, self.marks)
        self.factors = dict(by_size)
        for name, factor in (reading or {}).get("factors", {}).items():
            if name in alike:
                self.factors[name] = factor
        self.unit_notes = mark_notes(self.marks, columns) + unit_notes(self.factors, columns)
        self.unit_notes += differing_units(self.factors, by_size, columns, first)

    def source(self, separators: Sequence[str] = ()) -> TrackSource:
        """The rows as an importer gives them.

        Args:
            separators: Texts that always separate artists.
        """
        return TrackSource(
            tables=[self.table],
            tracks=self.tracks,
            track_ids=self.track_ids,
            types=self.types,
            artists=self.artists,
            separators=tuple(separators),
        )

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Arrow types of the columns, by their standard names."""
        return {self._names[c]: k for c, k in self.table.types.items() if c in self._names}

    def tracks(self, only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read rows, or some columns of them, under standard names, with ids."""
        for rows in self.table.chunks(only):
            kept = [name for name in self._names if name in rows]
            standard = rows[kept].rename(columns=self._names)
            ids = standard["track_id"] if self._with_ids else made_ids(standard)
            yield standard.assign(track_id=read_ids(ids))

    def track_ids(self) -> Iterator[pd.Series[str]]:
        """Read the ids alone."""
        makes_ids = {"track_id"} if self._with_ids else {"title", "artist_name"}
        columns = [column for column, name in self._names.items() if name in makes_ids]
        for rows in self.tracks(columns or None):
            yield rows["track_id"]

    def artists(self) -> Iterator[pd.Series[Any]]:
        """Read only the column with artists; nothing without one."""
        column = next((c for c, name in self._names.items() if name == "artist_name"), None)
        if column is not None:
            for rows in self.table.chunks([column]):
                yield rows[column]

    def _first_rows(self, columns: Mapping[str, str]) -> pd.DataFrame:
        """The first rows of the standard columns, which tell how numbers are written."""
        measured = [column for name, column in columns.items() if name in STANDARD]
        rows = next(self.table.chunks(measured), None) if measured else None
        return pd.DataFrame() if rows is None else rows


def made_ids(tracks: pd.DataFrame) -> pd.Series[str]:
    """Ids of rows without ids: a hash of title and artist, so that duplicates are found.

    Args:
        tracks: Rows under standard names, indexed by their number in the table.

    Returns:
        The first 22 hexadecimal digits of the SHA-256 of both in lower case; `row-N` for a table
        without titles, missing where a row has none.
    """
    if "title" not in tracks:
        return pd.Series([f"row-{row}" for row in tracks.index], index=tracks.index)
    titles = tracks["title"].astype("string")
    artists: Any = pd.Series("", tracks.index, dtype="string")
    if "artist_name" in tracks:
        listed = tracks["artist_name"].map(_shown_artists, na_action="ignore")
        artists = listed.astype("string").fillna("")
    keys = (titles + "\x1f" + artists).str.casefold()
    hashed = keys.map(lambda key: hashlib.sha256(key.encode()).hexdigest()[:22], na_action="ignore")
    ids: pd.Series[str] = hashed.astype("string")
    return ids


def _shown_artists(value: Any) -> str:
    """The artists of a value as one text; a text is unchanged."""
    if isinstance(value, str):
        return value
    return ", ".join(listed_artists(value) or [str(value)])
