"""Importers: from the tables of others to a corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras import __version__
from deephits_keras.corpus.filters import Filter, FilterStep, apply_filters
from deephits_keras.corpus.sources import audio_column, read_table, source_info
from deephits_keras.corpus.table import INPUTS, Corpus, check_target, write_corpus
from deephits_keras.corpus.validate import STANDARD, iso_dates, validate, years_of
from deephits_keras.errors import UserError

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
        with_lyrics: Tracks with lyrics.
        missing: Tracks without a value, by field.
    """

    corpus: Corpus
    source_rows: int
    rejected: Mapping[str, int]
    duplicates: int
    steps: Sequence[FilterStep]
    with_audio: int
    with_lyrics: int
    missing: Mapping[str, int]


def import_table(
    source: Path,
    folder: Path,
    *,
    columns: Mapping[str, str] | None = None,
    audio: Path | None = None,
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
        filters: Filters to apply.
        encoding: The CSV's encoding, if it isn't UTF-8 or Latin-1.

    Raises:
        UserError: if the file can't be read, lacks a column, or no row of it can be used.
    """
    check_target(folder)
    table, malformed = read_table(source, encoding)
    tracks = _standard_columns(table, columns or {}, source)
    if "track_id" not in tracks:
        tracks["track_id"] = _made_ids(tracks)
    return finish_import(
        tracks,
        malformed,
        folder,
        audio=audio,
        filters=filters,
        info={
            "source": source.name,
            "importer": "table",
            "columns": dict(columns or {}),
            **source_info(source.parent),
        },
    )


def _standard_columns(table: pd.DataFrame, given: Mapping[str, str], source: Path) -> pd.DataFrame:
    there = f"It has: {', '.join(map(str, table.columns))}"
    for standard, column in given.items():
        if column not in table:
            raise UserError(f"{source} has no column {column!r} for {standard}. {there}")
    taken = dict(given)
    for standard, aliases in ALIASES.items():
        name = next((a for a in aliases if a in table and a not in taken.values()), None)
        if standard not in taken and name:
            taken[standard] = name
    if "popularity" not in taken:
        raise UserError(
            f"{source} has no column popularity. Say which holds it: "
            f"--column popularity=NAME. {there}"
        )
    renamed = {column: standard for standard, column in taken.items()}
    shadowed = [name for name in taken if name in table and name not in renamed]
    return table.drop(columns=shadowed).rename(columns=renamed)


def _made_ids(tracks: pd.DataFrame) -> pd.Series[str]:
    """Ids for a table without any: a hash of title and artist, so that repeats are found."""
    if "title" not in tracks:
        return pd.Series([f"row-{row}" for row in tracks.index], index=tracks.index)
    artists = tracks["artist_name"] if "artist_name" in tracks else pd.Series("", tracks.index)
    keys = (tracks["title"] + "\x1f" + artists.fillna("")).str.casefold()
    return keys.map(lambda key: hashlib.sha256(key.encode()).hexdigest()[:22], na_action="ignore")


def finish_import(
    tracks: pd.DataFrame,
    malformed: pd.DataFrame,
    folder: Path,
    *,
    audio: Path | None,
    filters: Sequence[Filter],
    info: Mapping[str, Any],
    lyrics_placeholders: Iterable[str] = (),
) -> ImportSummary:
    """Match recordings, validate, filter and write: the end of every importer.

    Args:
        tracks: A row a track in standard columns, indexed by the source's row numbers.
        malformed: Lines of the source that couldn't be read as rows, as rejected rows.
        folder: The corpus to make.
        audio: Folder of recordings.
        filters: Filters to apply.
        info: What `corpus.json` says of the source.
        lyrics_placeholders: What stands for missing lyrics beside `LYRICS_PLACEHOLDERS`.

    Raises:
        UserError: if no row can be used.
    """
    source_rows = len(tracks) + len(malformed)
    tracks = tracks.assign(source_row=tracks.index, track_id=tracks["track_id"].astype("string"))
    tracks["audio"], escaping = audio_column(tracks, audio, folder)
    tracks["lyrics"] = _lyrics(tracks, lyrics_placeholders)
    if "release_date" in tracks:
        tracks["release_date"] = iso_dates(tracks["release_date"])
        if "release_year" not in tracks:
            tracks["release_year"] = years_of(tracks["release_date"])
    outside = tracks.loc[escaping, ["track_id", "source_row"]].assign(
        field="audio", reason=f"its path leads out of {audio}"
    )
    good, rejected = validate(tracks[~escaping])
    rejected = pd.concat([outside, rejected]).sort_values("source_row", kind="stable")
    rejected = pd.concat([rejected, malformed])
    if not len(good):
        first = rejected.iloc[0] if len(rejected) else None
        why = f" The first: {first.field}, {first.reason}" if first is not None else ""
        raise UserError(f"No row of the source can be used.{why}")
    kept, steps = apply_filters(good, filters) if filters else (good, [])
    if not len(kept):
        raise UserError("The filters remove every track")
    filtered = good.drop(index=kept.index).drop(columns=["source_row", "audio", "lyrics"])
    kept = _ordered(kept.drop(columns="source_row"))
    fields = [c for c in kept if c not in INPUTS]
    missing = {str(c): int(kept[c].isna().sum()) for c in fields if kept[c].isna().any()}
    by_field = rejected["field"].value_counts().sort_index()
    counts: dict[str, Any] = {
        "source_rows": source_rows,
        "rejected": {str(k): int(v) for k, v in by_field.items()},
        "with_audio": int(kept["audio"].notna().sum()),
        "with_lyrics": int(kept["lyrics"].notna().sum()),
        "missing": missing,
    }
    told = {"made_by": __version__, "filters": [step.to_json() for step in steps]}
    corpus = write_corpus(folder, kept, {**info, **told, **counts}, rejected, filtered)
    return ImportSummary(
        corpus=corpus,
        duplicates=int(rejected["reason"].str.startswith("duplicate").sum()),
        steps=steps,
        **counts,
    )


def _lyrics(tracks: pd.DataFrame, placeholders: Iterable[str]) -> pd.Series[str]:
    if "lyrics" not in tracks:
        return pd.Series(pd.NA, index=tracks.index, dtype="string")
    missing = LYRICS_PLACEHOLDERS | {text.strip().casefold() for text in placeholders}
    texts = tracks["lyrics"].astype("string").str.strip()
    # Lower case of short texts only: a placeholder is no longer than the longest of these.
    short = texts.where(texts.str.len() <= max(map(len, missing)))
    return texts.mask(short.str.casefold().isin(missing).fillna(False))


def _ordered(tracks: pd.DataFrame) -> pd.DataFrame:
    first = [c for c in (*INPUTS, "title", "artist_name", *STANDARD) if c in tracks]
    first = list(dict.fromkeys(first))
    return tracks[[*first, *(c for c in tracks if c not in first)]]
