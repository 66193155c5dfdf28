"""Importers: from the tables of others to a corpus."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.filters import CountedFilters, Filter, FilterStep
from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.reading import SourceTable, open_table
from deephits_keras.corpus.recordings import Recordings
from deephits_keras.corpus.sources import source_info
from deephits_keras.corpus.table import INPUTS, Corpus, CorpusWriter, check_target
from deephits_keras.corpus.validate import STANDARD, iso_dates, validate, years_of
from deephits_keras.encoders.inputs import AUDIO, Input
from deephits_keras.encoders.registry import installed_inputs
from deephits_keras.errors import UserError
from deephits_keras.version import __version__

ALIASES = {
    "track_id": ("track_id", "id", "spotify_id", "uri"),
    "popularity": ("popularity", "track_popularity"),
    "title": ("title", "track_name", "name"),
    "artist_name": ("artist_name", "track_artist", "artist", "artists"),
    "release_date": ("release_date", "track_album_release_date", "album_release_date"),
    "release_year": ("release_year", "year"),
}
"""Names under which common public tables hold a standard column; the first one found counts."""

LYRICS_PLACEHOLDERS = frozenset(
    ("", "-99", "[]", "nan", "na", "n/a", "none", "null", "lyrics not available", "not found")
)
"""What stands for missing lyrics, in lower case. `-99` is what the program that made SpotGenTrack
writes (`genius_manager.py` in its authors' public repository dmgutierrez/hitmusicnet), for tracks
that Genius doesn't have and for all with an instrumentalness above 0.6; the published files
themselves could not be looked at. The others are common in copies and other tables."""


RESERVED = ("lyrics", *STANDARD)
"""Columns that can't hold the paths of files."""


@dataclass(frozen=True)
class ImportSummary:
    """What an import came to.

    Attributes:
        corpus: The corpus.
        source_rows: Rows in the source, malformed lines included.
        rejected: Rows that can't be used, by field.
        duplicates: Rows that repeat a track id.
        steps: Table 4, or empty if nothing was filtered.
        with_audio: Tracks with a recording.
        with_files: Tracks with each other file, by the input's name.
        with_lyrics: Tracks with lyrics.
        missing: Tracks without a value, by field.
        audio_notes: Why tracks have no recording and recordings no track, in words.
        file_notes: The same of other files.
        unused_files: Columns that are named after an encoder's input of files, which weren't read
            because no folder was named for it.
    """

    corpus: Corpus
    source_rows: int
    rejected: Mapping[str, int]
    duplicates: int
    steps: Sequence[FilterStep]
    with_audio: int
    with_files: Mapping[str, int]
    with_lyrics: int
    missing: Mapping[str, int]
    audio_notes: Sequence[str] = ()
    file_notes: Sequence[str] = ()
    unused_files: Sequence[str] = ()


def import_table(
    source: Path,
    folder: Path,
    *,
    columns: Mapping[str, str] | None = None,
    audio: Path | None = None,
    inputs: Mapping[str, Path] | None = None,
    filters: Sequence[Filter] = (),
    encoding: str | None = None,
) -> ImportSummary:
    """Import any CSV or Parquet table with a popularity.

    Without track ids, an id is made of title and artist: the first 22 hexadecimal digits of the
    SHA-256 of both in lower case, so that the same song has the same id in every table and
    repeated ones are found.

    Args:
        source: The file.
        folder: The corpus to make.
        columns: The source's column for each standard name, where `ALIASES` doesn't find it. Other
            columns keep their names.
        audio: Folder of recordings, named after the track ids or in a column `audio` that holds
            paths relative to this folder. Without it, there are no recordings.
        inputs: The same for files of any name that an encoder declares as its input: `audio`
            again, or `{"cover": Path("covers")}`.
        filters: Filters to apply.
        encoding: The CSV's encoding, if it isn't UTF-8 or Latin-1.

    Raises:
        UserError: if the file can't be read, lacks a column, or no row of it can be used.
    """
    check_target(folder)
    table = open_table(source, encoding)
    names = _standard_names(table.columns, columns or {}, source)
    with_ids = "track_id" in names.values()

    def tracks(only: Collection[str] | None = None) -> Iterator[pd.DataFrame]:
        for rows in table.chunks(only):
            standard = rows[[name for name in names if name in rows]].rename(columns=names)
            yield standard if with_ids else standard.assign(track_id=_made_ids(standard))

    makes_ids = {"track_id"} if with_ids else {"title", "artist_name"}
    of_ids = [column for column, name in names.items() if name in makes_ids]
    return finish_import(
        TrackSource(
            tables=[table],
            tracks=tracks,
            track_ids=lambda: (rows["track_id"] for rows in tracks(of_ids or None)),
            types={names[c]: kind for c, kind in table.types.items() if c in names},
        ),
        folder,
        audio=audio,
        inputs=inputs,
        filters=filters,
        info={
            "source": source.name,
            "importer": "table",
            "columns": dict(columns or {}),
            **source_info(source.parent),
        },
    )


def _standard_names(
    columns: Sequence[str], given: Mapping[str, str], source: Path
) -> dict[str, str]:
    """The name in the corpus of each column that is taken over."""
    there = f"It has: {', '.join(map(str, columns))}"
    for standard, column in given.items():
        if column not in columns:
            raise UserError(f"{source} has no column {column!r} for {standard}. {there}")
    taken = dict(given)
    for standard, aliases in ALIASES.items():
        name = next((a for a in aliases if a in columns and a not in taken.values()), None)
        if standard not in taken and name:
            taken[standard] = name
    if "popularity" not in taken:
        raise UserError(
            f"{source} has no column popularity. Say which holds it: "
            f"--column popularity=NAME. {there}"
        )
    renamed = {column: standard for standard, column in taken.items()}
    # A column that bears a standard name but isn't the one that was given for it.
    shadowed = {name for name in taken if name not in renamed}
    return {name: renamed.get(name, name) for name in columns if name not in shadowed}


def _made_ids(tracks: pd.DataFrame) -> pd.Series[str]:
    """Ids for a table without any: a hash of title and artist, so that repeats are found."""
    if "title" not in tracks:
        return pd.Series([f"row-{row}" for row in tracks.index], index=tracks.index)
    artists = tracks["artist_name"] if "artist_name" in tracks else pd.Series("", tracks.index)
    keys = (tracks["title"] + "\x1f" + artists.fillna("")).str.casefold()
    return keys.map(lambda key: hashlib.sha256(key.encode()).hexdigest()[:22], na_action="ignore")


@dataclass(frozen=True)
class TrackSource:
    """Tracks as an importer finds them, a chunk at a time.

    Attributes:
        tables: The files that they are read from.
        tracks: Reads them: a row a track in standard columns, indexed by the source's row numbers.
        track_ids: Reads their ids alone, and perhaps those of lines that aren't rows.
        types: Arrow types of columns whose values pandas holds as objects.
    """

    tables: Sequence[SourceTable]
    tracks: Callable[[], Iterator[pd.DataFrame]]
    track_ids: Callable[[], Iterator[pd.Series[Any]]]
    types: Mapping[str, pa.DataType]


def finish_import(
    source: TrackSource,
    folder: Path,
    *,
    audio: Path | None,
    filters: Sequence[Filter],
    info: Mapping[str, Any],
    lyrics_placeholders: Iterable[str] = (),
    inputs: Mapping[str, Path] | None = None,
) -> ImportSummary:
    """Match recordings and other files, validate, filter and write: the end of every importer.

    Args:
        source: The tracks.
        folder: The corpus to make.
        audio: Folder of recordings.
        filters: Filters to apply.
        info: What `corpus.json` says of the source.
        lyrics_placeholders: What stands for missing lyrics beside `LYRICS_PLACEHOLDERS`.
        inputs: Folder of the files of each input, by its name; `audio` may be among them.

    Raises:
        UserError: if no row can be used, there is no such folder, or an input can't be of files.
        DeepHitsError: if there is no room on disk for what is looked up.
    """
    given = {**({"audio": audio} if audio else {}), **(inputs or {})}
    known = installed_inputs()
    files = _files(source, folder, given, known)
    unused = {name for name, each in known.items() if each.kind == "file"} - set(given)
    columns: set[str] = set()
    seen = Lookup()
    counted = CountedFilters(filters)
    counts = _Counts(with_files={each.name: 0 for each in files if each.name != "audio"})
    with CorpusWriter(folder, source.types) as writer:
        for rows in source.tracks():
            columns.update(map(str, rows))
            good, rejected = _checked(rows, files, seen, lyrics_placeholders)
            passing = counted.apply(good)
            kept = _ordered(passing.drop(columns="source_row"), [each.name for each in files])
            own = ["source_row", "lyrics", *(each.name for each in files)]
            removed = good.drop(index=passing.index).drop(columns=own)
            writer.add(kept, rejected, removed)
            counts.add(len(rows), kept, rejected)
        malformed = pd.concat([table.malformed for table in source.tables])
        writer.reject(malformed)
        counts.add(len(malformed), None, malformed)
        steps = counted.steps
        if not steps[0].remaining:
            why = f" The first: {counts.first_rejected}" if counts.first_rejected else ""
            raise UserError(f"No row of the source can be used.{why}")
        if not steps[-1].remaining:
            raise UserError("The filters remove every track")
        if not filters:
            steps = []
        told = {"made_by": __version__, "filters": [step.to_json() for step in steps]}
        named = {"files": [each.name for each in files]}
        corpus = writer.finish({**info, **told, **named, **counts.to_json()})
    return ImportSummary(
        corpus=corpus,
        duplicates=counts.duplicates,
        steps=steps,
        audio_notes=files[0].explained(len(corpus) - counts.with_audio),
        file_notes=[
            note
            for each in files[1:]
            for note in each.explained(len(corpus) - counts.with_files[each.name])
        ],
        unused_files=sorted(unused & columns),
        **counts.to_json(),
    )


@dataclass
class _Counts:
    """What an import comes to, counted a chunk at a time."""

    source_rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    with_audio: int = 0
    with_files: dict[str, int] = field(default_factory=dict)
    with_lyrics: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    first_rejected: str = ""

    def add(self, source_rows: int, kept: pd.DataFrame | None, rejected: pd.DataFrame) -> None:
        self.source_rows += source_rows
        self.rejected.update(rejected["field"])
        self.duplicates += int(rejected["reason"].str.startswith("duplicate").sum())
        if len(rejected) and not self.first_rejected:
            self.first_rejected = ", ".join(rejected.iloc[0][["field", "reason"]])
        if kept is not None:
            self.with_audio += int(kept["audio"].notna().sum())
            self.with_lyrics += int(kept["lyrics"].notna().sum())
            for name in self.with_files:
                self.with_files[name] += int(kept[name].notna().sum())
            fields = [name for name in kept if name not in (*INPUTS, *self.with_files)]
            self.missing.update({str(name): int(kept[name].isna().sum()) for name in fields})

    def to_json(self) -> dict[str, Any]:
        """The fields of `ImportSummary` that `corpus.json` holds, too."""
        return {
            "source_rows": self.source_rows,
            "rejected": dict(sorted(self.rejected.items())),
            "with_audio": self.with_audio,
            "with_files": self.with_files,
            "with_lyrics": self.with_lyrics,
            "missing": {name: count for name, count in self.missing.items() if count},
        }


def _files(
    source: TrackSource, folder: Path, given: Mapping[str, Path], known: Mapping[str, Input]
) -> list[Recordings]:
    """The files of each input: of the recordings, which every corpus has a column of, first."""
    for name in given:
        if name in RESERVED:
            raise UserError(f"{name} is not an input of files: --input-dir takes NAME=FOLDER")
        try:
            Input(name, "file")
        except ValueError as error:
            raise UserError(f"--input-dir {name}: {error}") from error
    return [
        Recordings(
            given.get(name), folder, source.track_ids(), known.get(name, Input(name, "file"))
        )
        for name in dict.fromkeys((AUDIO.name, *given))
    ]


def _checked(
    rows: pd.DataFrame,
    files: Sequence[Recordings],
    seen: Lookup,
    lyrics_placeholders: Iterable[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tracks of some rows that can be used, and the rejected rows."""
    tracks = rows.assign(source_row=rows.index, track_id=rows["track_id"].astype("string"))
    refused = []
    escaped = pd.Series(False, index=tracks.index)
    for each in files:
        tracks[each.name], escaping = each.of(tracks)
        outside = tracks.loc[escaping & ~escaped, ["track_id", "source_row"]]
        reason = f"its path leads out of {each.folder}"
        refused.append(outside.assign(field=each.name, reason=reason))
        escaped |= escaping
    tracks["lyrics"] = _lyrics(tracks, lyrics_placeholders)
    if "release_date" in tracks:
        tracks["release_date"] = iso_dates(tracks["release_date"])
        if "release_year" not in tracks:
            tracks["release_year"] = years_of(tracks["release_date"])
    good, rejected = validate(tracks[~escaped], seen)
    return good, pd.concat([*refused, rejected]).sort_values("source_row", kind="stable")


def _lyrics(tracks: pd.DataFrame, placeholders: Iterable[str]) -> pd.Series[str]:
    if "lyrics" not in tracks:
        return pd.Series(pd.NA, index=tracks.index, dtype="string")
    missing = LYRICS_PLACEHOLDERS | {text.strip().casefold() for text in placeholders}
    texts = tracks["lyrics"].astype("string").str.strip()
    # Lower case of short texts only: a placeholder is no longer than the longest of these.
    short = texts.where(texts.str.len() <= max(map(len, missing)))
    return texts.mask(short.str.casefold().isin(missing).fillna(False))


def _ordered(tracks: pd.DataFrame, files: Sequence[str]) -> pd.DataFrame:
    first = [c for c in (*INPUTS, *files, "title", "artist_name", *STANDARD) if c in tracks]
    first = list(dict.fromkeys(first))
    return tracks[[*first, *(c for c in tracks if c not in first)]]
