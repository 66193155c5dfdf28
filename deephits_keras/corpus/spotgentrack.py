"""The SpotGenTrack Popularity Dataset in its published layout (paper, Section 2.1).

`Data Sources/` holds `spotify_tracks.csv`, `spotify_artists.csv` and `spotify_albums.csv`
(https://data.mendeley.com/datasets/4m2x4zngny/1). Tracks join artists by the ids in
`artists_id` and albums by `album_id`; a track whose artist or album is missing lacks those fields.

Its lyrics may be wrong: if a search fails, the program that collected them (`genius_manager.py` in
its authors' repository dmgutierrez/hitmusicnet) keeps the last result, so a track may have the
lyrics of the one before it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from deephits_keras.corpus.filters import PAPER_FILTERS, Filter
from deephits_keras.corpus.finishing import ImportSummary, TrackSource, finish_import
from deephits_keras.corpus.literals import plain_list
from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.reading import open_table
from deephits_keras.corpus.source_table import SourceTable
from deephits_keras.corpus.sources import source_info
from deephits_keras.corpus.table import check_target
from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_json

ArtistRule = Literal["first", "max", "mean"]

MAX_LITERAL = 10_000
"""Longest list literal that is read, in characters; real ones have a few hundred."""


@dataclass(frozen=True)
class SourceFile:
    """One of the three tables.

    Attributes:
        name: Name of the file.
        required: Required columns.
        optional: Columns that are read if present; others are ignored.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]


TRACKS = SourceFile(
    "spotify_tracks.csv",
    required=("id", "popularity", "artists_id", "album_id"),
    optional=(
        *("name", "lyrics", "playlist", "country", "acousticness", "danceability", "duration_ms"),
        *("energy", "instrumentalness", "key", "liveness", "loudness", "mode", "speechiness"),
        *("tempo", "time_signature", "valence"),
    ),
)
ARTISTS = SourceFile("spotify_artists.csv", ("id", "artist_popularity"), ("genres", "name"))
ALBUMS = SourceFile("spotify_albums.csv", ("id", "release_date"), ())


def import_spotgentrack(
    source: str | Path,
    folder: str | Path,
    *,
    audio: str | Path | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    artist_rule: ArtistRule = "first",
    lyrics_placeholders: Sequence[str] = (),
    detect_language: bool = False,
    filters: Sequence[Filter] = PAPER_FILTERS,
) -> ImportSummary:
    """Import the SpotGenTrack folder.

    Args:
        source: The folder with `Data Sources/`, or with the three files.
        folder: Folder of the corpus.
        audio: Folder of previews named after the track ids; `source/previews` by default, if it
            exists.
        inputs: Folders of other files, by input name: see `import_table`.
        artist_rule: Popularity of a track's artists: of the `first` one (Spotify lists the main
            artist first), or the `max` or `mean` of the known ones. The paper doesn't state its
            rule; the dataset's authors use the mean.
        lyrics_placeholders: Texts that mean missing lyrics, in addition to `lyrics.PLACEHOLDERS`.
        detect_language: Whether the field `language` is detected in the lyrics.
        filters: The paper's three filters, or others.

    Raises:
        UserError: if files or columns are missing, or no row can be used.
    """
    source, folder = Path(source), Path(folder)
    check_target(folder)
    tracks = joined_tables(source, artist_rule)
    info = source_info(source)
    if info["synthetic"]:
        marker = read_json(source / "synthetic.json", "a synthetic sample")
        lyrics_placeholders = (*lyrics_placeholders, str(marker.get("lyrics_placeholder", "")))
    if audio is None and "audio" not in (inputs or {}) and (source / "previews").is_dir():
        audio = source / "previews"
    return finish_import(
        tracks,
        folder,
        audio=audio,
        inputs=inputs,
        filters=filters,
        info={
            "source": source.name,
            "importer": "spotgentrack",
            "artist_rule": artist_rule,
            **info,
        },
        lyrics=LyricsCleaning(
            placeholders=tuple(lyrics_placeholders), detect_language=detect_language
        ),
    )


def joined_tables(source: Path, artist_rule: ArtistRule = "first") -> TrackSource:
    """The tracks of a SpotGenTrack folder with their artists' popularity and albums' dates.

    Args:
        source: The folder with `Data Sources/`, or with the three files.
        artist_rule: See `import_spotgentrack`.

    Raises:
        UserError: if files or columns are missing.
    """
    tables = source / "Data Sources" if (source / "Data Sources").is_dir() else source
    absent = [t.name for t in (TRACKS, ARTISTS, ALBUMS) if not (tables / t.name).is_file()]
    if absent:
        raise UserError(f"{source} is not a SpotGenTrack folder: it lacks {', '.join(absent)}")
    tracks, artists, albums = (_open(tables, each) for each in (TRACKS, ARTISTS, ALBUMS))
    known_artists, known_albums = _lookup(artists, ARTISTS), _lookup(albums, ALBUMS)

    def joined() -> Iterator[pd.DataFrame]:
        for rows in tracks.chunks():
            standard = rows.rename(columns={"id": "track_id", "name": "title"})
            standard["artist_ids"] = standard.pop("artists_id").map(_literal_list)
            standard["artist_id"] = standard["artist_ids"].str[0].astype("string")
            listed = standard["artist_ids"].explode().dropna().unique()
            _join_artists(standard, known_artists.among(listed), artist_rule)
            dates = known_albums.among(standard["album_id"].dropna().unique())["release_date"]
            standard["release_date"] = standard["album_id"].map(dates)
            yield standard

    texts = pa.list_(pa.string())
    return TrackSource(
        tables=[tracks, artists, albums],
        tracks=joined,
        track_ids=lambda: (rows["id"] for rows in tracks.chunks(["id"])),
        types={**tracks.types, "artist_ids": texts, "genres": texts},
    )


def _open(folder: Path, file: SourceFile) -> SourceTable:
    wanted = {*file.required, *file.optional}
    table = open_table(folder / file.name, columns=lambda name: name in wanted)
    absent = [name for name in file.required if name not in table.columns]
    if absent:
        raise UserError(
            f"{folder / file.name} has no column {', '.join(absent)}. "
            f"The columns that it has: {', '.join(map(str, table.columns))}"
        )
    return table


def _lookup(table: SourceTable, file: SourceFile) -> Lookup:
    """The row of each id; of several rows of an id, the first is used."""
    columns = [name for name in (*file.required, *file.optional) if name in table.columns]
    found = Lookup(*columns[1:])
    for rows in table.chunks():
        named = rows.loc[rows["id"].notna(), columns].astype(object)
        found.add(named.where(named.notna(), None).itertuples(index=False))
    return found


def _literal_list(text: Any) -> list[str]:
    """Read a Python list literal of strings; another text is a list of itself, or empty."""
    if not isinstance(text, str) or len(text) > MAX_LITERAL:
        return []
    if (plain := plain_list(text)) is not None:
        return plain
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [text.strip()] if text.strip() else []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _join_artists(tracks: pd.DataFrame, artists: pd.DataFrame, rule: ArtistRule) -> None:
    popularity = pd.to_numeric(artists["artist_popularity"], errors="coerce")
    pairs = tracks["artist_ids"].explode().dropna()
    values = pairs.map(popularity)
    if rule == "first":
        values = values[~values.index.duplicated()]
    else:
        values = values.groupby(level=0).agg(rule)
    tracks["artist_popularity"] = values.reindex(tracks.index).astype("float64")
    if "name" in artists:
        tracks["artist_name"] = tracks["artist_id"].map(artists["name"]).astype("string")
    if "genres" in artists:
        genres = artists["genres"].map(_literal_list)
        tracks["genres"] = tracks["artist_id"].map(genres).astype(object)
