"""The SpotGenTrack Popularity Dataset, as its authors ship it (paper, Section 2.1).

`Data Sources/` holds `spotify_tracks.csv`, `spotify_artists.csv` and `spotify_albums.csv`
(https://data.mendeley.com/datasets/4m2x4zngny/1). Tracks join artists by the ids in
`artists_id` and albums by `album_id`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from deephits_keras.corpus.filters import PAPER_FILTERS, Filter
from deephits_keras.corpus.importing import ImportSummary, finish_import
from deephits_keras.corpus.sources import read_table, source_info
from deephits_keras.corpus.table import check_target
from deephits_keras.corpus.validate import year_of
from deephits_keras.errors import UserError
from deephits_keras.files import read_json

ArtistRule = Literal["first", "max", "mean"]

PLACEHOLDERS = ("lyrics not available", "lyrics not found", "not found", "nan", "none", "[]")
"""What stands for missing lyrics, in lower case. The exact text in the published files could not
be checked here; `--lyrics-placeholder` adds to these."""

MAX_LITERAL = 10_000
"""Longest list literal that is read, in characters: the real ones are a few hundred."""

TRACK_COLUMNS = frozenset(
    (
        *("id", "name", "artists_id", "album_id", "popularity", "lyrics", "playlist", "country"),
        *("acousticness", "danceability", "duration_ms", "energy", "instrumentalness", "key"),
        *("liveness", "loudness", "mode", "speechiness", "tempo", "time_signature", "valence"),
    )
)
ARTIST_COLUMNS = frozenset(("id", "artist_popularity", "genres", "name", "followers"))
ALBUM_COLUMNS = frozenset(("id", "release_date"))


def import_spotgentrack(
    source: Path,
    folder: Path,
    *,
    audio: Path | None = None,
    artist_rule: ArtistRule = "first",
    lyrics_placeholders: Sequence[str] = (),
    filters: Sequence[Filter] = PAPER_FILTERS,
) -> ImportSummary:
    """Import the SpotGenTrack folder.

    Args:
        source: The folder that holds `Data Sources/`, or the three files themselves.
        folder: The corpus to make.
        audio: Folder of previews named after the track ids; `source/previews` if that is there.
        artist_rule: Whose popularity counts where a track has several artists: the `first` one
            listed (Spotify lists the main artist first), the `max` or the `mean` of all. The
            paper doesn't say.
        lyrics_placeholders: Further texts that stand for missing lyrics.
        filters: The paper's three, or others.

    Raises:
        UserError: if files or columns are missing, or no row can be used.
    """
    check_target(folder)
    tables = source / "Data Sources" if (source / "Data Sources").is_dir() else source
    names = [f"spotify_{kind}.csv" for kind in ("tracks", "artists", "albums")]
    absent = [name for name in names if not (tables / name).is_file()]
    if absent:
        raise UserError(f"{source} is not a SpotGenTrack folder: it lacks {', '.join(absent)}")
    needed = ({"id", "popularity", "artists_id", "album_id"}, {"id", "artist_popularity"}, {"id"})
    columns = (TRACK_COLUMNS, ARTIST_COLUMNS, ALBUM_COLUMNS)
    raw, artists, albums = (
        _read(tables / name, wanted, required)
        for name, wanted, required in zip(names, columns, needed, strict=True)
    )
    tracks = raw.rename(columns={"id": "track_id", "name": "title"})
    tracks["artist_ids"] = tracks.pop("artists_id").map(_literal_list)
    tracks["artist_id"] = tracks["artist_ids"].str[0].astype("string")
    _join_artists(tracks, artists.drop_duplicates("id").set_index("id"), artist_rule)
    dates = albums.drop_duplicates("id").set_index("id").get("release_date")
    if dates is not None:
        tracks["release_date"] = tracks["album_id"].map(dates).astype("string")
        tracks["release_year"] = year_of(tracks["release_date"])
    info = source_info(source)
    placeholders = {text.strip().casefold() for text in (*PLACEHOLDERS, *lyrics_placeholders)}
    if info["synthetic"]:
        marker = read_json(source / "synthetic.json", "a synthetic sample")
        placeholders.add(str(marker.get("lyrics_placeholder", "")).casefold())
    if "lyrics" in tracks:
        text = tracks["lyrics"].astype("string").str.strip()
        tracks["lyrics"] = text.mask(text.str.casefold().isin(placeholders) | (text == ""))
    if audio is None and (source / "previews").is_dir():
        audio = source / "previews"
    return finish_import(
        tracks,
        folder,
        audio=audio,
        filters=filters,
        info={
            "source": source.name,
            "importer": "spotgentrack",
            "artist_rule": artist_rule,
            **info,
        },
    )


def _read(path: Path, wanted: frozenset[str], required: set[str]) -> pd.DataFrame:
    table = read_table(path, columns=lambda name: name.lstrip("\ufeff") in wanted)
    absent = sorted(required - set(table.columns))
    if absent:
        raise UserError(
            f"{path} has no column {', '.join(absent)}. It has: {', '.join(map(str, table))}"
        )
    return table


def _literal_list(text: Any) -> list[str]:
    """A Python list literal of strings; a text that isn't one is a list of itself, or of none."""
    if not isinstance(text, str) or len(text) > MAX_LITERAL:
        return []
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
        tracks["genres"] = tracks["artist_id"].map(genres)
        tracks["genres"] = [g if isinstance(g, list) else [] for g in tracks["genres"]]
