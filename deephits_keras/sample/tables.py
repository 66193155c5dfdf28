"""The three tables of a synthetic corpus, with SpotGenTrack's columns and quirks.

Lists are Python literals, numbers are floats, a release date is a year, a month or a day, missing
lyrics are a placeholder and a missing preview is empty, as in the published files.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deephits_keras.sample.audio import LOUDEST_DB
from deephits_keras.sample.causes import Z_MAX, draw_cause, popularity_from, weights_for
from deephits_keras.sample.lyrics import PLACEHOLDER, write_lyrics
from deephits_keras.utils.files import replacing

MISSING_LYRICS = 0.1468
"""Fraction of the tracks without lyrics (paper, Table A3)."""

MISSING_PREVIEW = 0.03
UNDEFINED_KEY = 0.02

SPEECH, LONG, SHORT = 5362 / 101_939, 3792 / 101_939, 268 / 101_939
"""Fractions that the paper's three filters remove, in this order (Table 4)."""

ARTISTS, ALBUMS = 56_129 / 101_939, 75_511 / 101_939
"""Number of artists and albums per track (paper, Section 2.1)."""

META_MIX = {"artist_popularity": 0.8, "release_year": 0.45, "danceability": 0.4}
"""Weight of each column's z-score in the metadata's cause; the squares sum to about 1."""

POPULATION = {
    "artist_popularity": (50.0, 18.0),
    "release_year": (2008.0, 12.0),
    "danceability": (0.58, 0.15),
}
"""Mean and standard deviation of these columns, for z-scores."""

FIRST_YEAR, LAST_YEAR = 1957, 2020
MEAN_AGE_YEARS = 12.0
MARKETS = ("AT", "BE", "BR", "CA", "DE", "ES", "FR", "GB", "IT", "JP", "MX", "NL", "PL", "SE", "US")
GENRES = ("pop", "rock", "latin", "hip hop", "electronic", "folk", "jazz", "soul", "metal")
ADJECTIVES = ("Amber", "Crystal", "Distant", "Électric", "Golden", "Midnight", "Northern", "Quiet")
NOUNS = ("Avenue", "Café", "Garden", "Harbour", "Machine", "Mañana", "Orchestra", "Satellite")

TRACK_COLUMNS = [
    "acousticness",
    "album_id",
    "analysis_url",
    "artists_id",
    "available_markets",
    "country",
    "danceability",
    "disc_number",
    "duration_ms",
    "energy",
    "href",
    "id",
    "instrumentalness",
    "key",
    "liveness",
    "loudness",
    "lyrics",
    "mode",
    "name",
    "playlist",
    "popularity",
    "preview_url",
    "speechiness",
    "tempo",
    "time_signature",
    "track_href",
    "track_name_prev",
    "track_number",
    "uri",
    "valence",
    "type",
]
DESCRIPTORS = (
    *("acousticness", "danceability", "duration_ms", "energy", "instrumentalness", "key"),
    *("liveness", "loudness", "mode", "speechiness", "tempo", "time_signature", "valence"),
)
"""Columns of the tracks that `songs.csv` has, too."""

ARTIST_COLUMNS = [
    "artist_popularity",
    "followers",
    "genres",
    "id",
    "name",
    "track_id",
    "track_name_prev",
    "type",
]
ALBUM_COLUMNS = [
    "album_type",
    "artist_id",
    "available_markets",
    "external_urls",
    "href",
    "id",
    "images",
    "name",
    "release_date",
    "release_date_precision",
    "total_tracks",
    "track_id",
    "track_name_prev",
    "uri",
    "type",
]


@dataclass(frozen=True)
class Tables:
    """A synthetic corpus without its recordings.

    Attributes:
        tracks: `spotify_tracks.csv`.
        artists: `spotify_artists.csv`.
        albums: `spotify_albums.csv`.
        truth: One row per track: `track_id`, each modality's cause and points, `noise_points` and
            `popularity` (see `causes.popularity_from`).
    """

    tracks: pd.DataFrame
    artists: pd.DataFrame
    albums: pd.DataFrame
    truth: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write the three tables below `folder` in SpotGenTrack's layout, and `truth.csv`.

        Raises:
            UserError: if the folder can't be written to.
        """
        for name in ("artists", "albums", "tracks"):
            with replacing(folder / "Data Sources" / f"spotify_{name}.csv") as temporary:
                getattr(self, name).to_csv(temporary, encoding="utf-8-sig", lineterminator="\n")
        with replacing(folder / "songs.csv") as temporary:
            self.songs().to_csv(temporary, encoding="utf-8", index=False, lineterminator="\n")
        with replacing(folder / "truth.csv") as temporary:
            self.truth.to_csv(temporary, index=False, lineterminator="\n")

    def songs(self) -> pd.DataFrame:
        """The same songs as one plain table, such as people have of their own."""
        tracks = self.tracks.rename(columns={"id": "track_id", "name": "title"})
        first = tracks["artists_id"].map(lambda text: ast.literal_eval(text)[0])
        artists = self.artists.drop_duplicates("id").set_index("id")
        dates = self.albums.drop_duplicates("id").set_index("id")["release_date"]
        return pd.DataFrame(
            {
                **{name: tracks[name] for name in ("track_id", "title")},
                "artist": first.map(artists["name"]),
                "track_popularity": tracks["popularity"],
                "artist_popularity": first.map(artists["artist_popularity"]),
                "release_date": tracks["album_id"].map(dates),
                **{name: tracks[name] for name in DESCRIPTORS},
                "lyrics": tracks["lyrics"].replace(PLACEHOLDER, ""),
            }
        )


def draw_tables(tracks: int, seed: int, causes: str = "all") -> Tables:
    """Draw the tables of `tracks` tracks.

    Only the popularity depends on `causes`; all other columns depend on the seed only.

    Raises:
        UserError: if `causes` isn't one of `choices.CAUSES`.
    """
    weights = weights_for(causes)
    rng = np.random.default_rng([seed, 0])
    artists = _draw_artists(max(2, round(ARTISTS * tracks)), rng)
    albums = _draw_albums(max(2, round(ALBUMS * tracks)), artists, rng)
    table = _draw_descriptors(tracks, rng)
    album = _each_then_any(len(albums), tracks, rng)
    _add_links(table, albums.iloc[album].reset_index(drop=True), artists, rng)
    has_preview = _hide(tracks, MISSING_PREVIEW, rng)
    has_lyrics = _hide(tracks, MISSING_LYRICS, rng)
    table["preview_url"] = table["preview_url"].where(has_preview)

    drawn = {
        "audio": draw_cause(rng, tracks) * has_preview,
        "lyrics": draw_cause(rng, tracks) * has_lyrics,
        "meta": _meta_cause(table, artists, albums.iloc[album]),
    }
    truth = popularity_from(drawn, weights, rng)
    truth.insert(0, "track_id", table["id"])
    table["popularity"] = truth["popularity"]
    table["lyrics"] = [
        write_lyrics(cause, np.random.default_rng([seed, 1, row]))
        if has_lyrics[row]
        else PLACEHOLDER
        for row, cause in enumerate(drawn["lyrics"])
    ]
    for part in (artists, albums):
        # An arbitrary track, as in the real files.
        part["track_id"] = rng.choice(table["id"], len(part))
        part["track_name_prev"] = [f"track_{row}" for row in range(len(part))]
    return Tables(table[TRACK_COLUMNS], artists[ARTIST_COLUMNS], albums[ALBUM_COLUMNS], truth)


def _ids(kind: str, count: int) -> list[str]:
    """Ids of 22 letters and digits, like Spotify's, with a descriptive prefix."""
    prefix = f"SYNTHETIC{kind}"
    return [f"{prefix}{number:0{22 - len(prefix)}d}" for number in range(count)]


def _names(count: int, rng: np.random.Generator) -> list[str]:
    pairs = zip(rng.choice(ADJECTIVES, count), rng.choice(NOUNS, count), strict=True)
    return [f"Synthetic {adjective} {noun}" for adjective, noun in pairs]


def _lists(values: tuple[str, ...], count: int, most: int, rng: np.random.Generator) -> list[str]:
    """For each of `count` rows, at most `most` of the values as a Python list literal."""
    return [
        repr([str(v) for v in rng.choice(values, rng.integers(most + 1), replace=False)])
        for _ in range(count)
    ]


def _draw_artists(count: int, rng: np.random.Generator) -> pd.DataFrame:
    popularity = rng.normal(*POPULATION["artist_popularity"], count).clip(0, 100).round()
    return pd.DataFrame(
        {
            "artist_popularity": popularity,
            "followers": np.exp(popularity / 8 + rng.normal(3, 1, count)).round(),
            "genres": _lists(tuple(f"synthetic {g}" for g in GENRES), count, 3, rng),
            "id": _ids("artist", count),
            "name": [f"{name} {n}" for n, name in enumerate(_names(count, rng))],
            "type": "artist",
        }
    )


def _draw_albums(count: int, artists: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    oldest, newest = pd.Timestamp(FIRST_YEAR, 1, 1), pd.Timestamp(LAST_YEAR, 12, 31)
    days = (rng.exponential(MEAN_AGE_YEARS, count) * 365.25).clip(max=(newest - oldest).days)
    dates = newest - pd.to_timedelta(days.round(), unit="D")
    precision = rng.choice(["day", "month", "year"], count, p=[0.88, 0.03, 0.09])
    formats = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
    ids = _ids("album", count)
    return pd.DataFrame(
        {
            "album_type": rng.choice(["album", "single", "compilation"], count, p=[0.6, 0.3, 0.1]),
            "artist_id": artists["id"].to_numpy()[_each_then_any(len(artists), count, rng)],
            "available_markets": _lists(MARKETS, count, len(MARKETS), rng),
            "external_urls": [repr({"spotify": _url("album", i)}) for i in ids],
            "href": [_url("albums", i) for i in ids],
            "id": ids,
            "images": "[]",
            "name": _names(count, rng),
            "release_date": [
                date.strftime(formats[p]) for date, p in zip(dates, precision, strict=True)
            ],
            "release_date_precision": precision,
            "total_tracks": rng.integers(1, 16, count).astype(float),
            "uri": [f"spotify:album:{i}" for i in ids],
            "type": "album",
        }
    )


def _draw_descriptors(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Spotify's descriptors; the paper's filters remove some of the tracks."""
    energy = rng.beta(3, 2, count)
    table = pd.DataFrame(
        {
            "acousticness": (1 - energy) * rng.beta(3, 1.5, count),
            "danceability": rng.normal(*POPULATION["danceability"], count).clip(0.05, 0.98),
            "duration_ms": rng.normal(215_000, 45_000, count).clip(60_000, 419_000).round(),
            "energy": energy,
            "instrumentalness": rng.beta(0.15, 1.0, count),
            "key": np.where(rng.random(count) < UNDEFINED_KEY, -1.0, rng.integers(0, 12, count)),
            "liveness": rng.beta(1.5, 6, count),
            "loudness": rng.normal(-14, 2.5, count).clip(-24, LOUDEST_DB),
            "mode": (rng.random(count) < 0.65).astype(float),
            "speechiness": rng.beta(1.2, 10, count).clip(0.02, 0.6),
            "tempo": rng.normal(120, 22, count).clip(70, 175),
            "time_signature": rng.choice([3.0, 4.0], count, p=[0.1, 0.9]),
            "valence": rng.beta(2, 2, count),
        }
    ).round(4)
    sizes = [max(1, round(share * count)) for share in (SPEECH, LONG, SHORT)]
    speech, long, short, _ = np.split(rng.permutation(count), np.cumsum(sizes))
    table.loc[speech, "speechiness"] = rng.uniform(0.67, 0.96, len(speech)).round(4)
    table.loc[long, "duration_ms"] = rng.uniform(421_000, 900_000, len(long)).round()
    table.loc[short, "duration_ms"] = rng.uniform(8_000, 29_000, len(short)).round()
    return table


def _add_links(
    table: pd.DataFrame, album: pd.DataFrame, artists: pd.DataFrame, rng: np.random.Generator
) -> None:
    """Add the columns with names; `album` has one row per track."""
    count = len(table)
    ids = _ids("track", count)
    table["id"] = ids
    table["name"] = _names(count, rng)
    table["album_id"] = album["id"]
    table["artists_id"] = [repr(i) for i in _with_guests(album["artist_id"], artists, rng)]
    table["available_markets"] = _lists(MARKETS, count, len(MARKETS), rng)
    table["country"] = rng.choice(MARKETS, count)
    table["playlist"] = [f"Synthetic Top {rank}" for rank in rng.integers(10, 51, count)]
    table["disc_number"] = 1.0
    table["track_number"] = rng.integers(1, 16, count).astype(float)
    table["track_name_prev"] = [f"track_{row}" for row in range(count)]
    table["analysis_url"] = [_url("audio-analysis", i) for i in ids]
    table["href"] = table["track_href"] = [_url("tracks", i) for i in ids]
    table["preview_url"] = [_url("mp3-preview", i) for i in ids]
    table["uri"] = [f"spotify:track:{i}" for i in ids]
    table["type"] = "track"


def _with_guests(
    main: pd.Series, artists: pd.DataFrame, rng: np.random.Generator
) -> list[list[str]]:
    """The artist of each track and, for one in five, one or two guests.

    Guests are less popular than the artist, so that the first artist is the most popular one.
    """
    ranked = artists.sort_values("artist_popularity", kind="stable")
    popularity = artists.set_index("id")["artist_popularity"]
    lesser = np.searchsorted(ranked["artist_popularity"], main.map(popularity))
    guests = rng.choice([0, 1, 2], len(main), p=[0.8, 0.15, 0.05])
    names = ranked["id"].to_numpy()
    return [
        [artist, *dict.fromkeys(names[rng.integers(below, size=wanted)] if below else ())]
        for artist, below, wanted in zip(main, lesser, guests, strict=True)
    ]


def _meta_cause(table: pd.DataFrame, artists: pd.DataFrame, album: pd.DataFrame) -> np.ndarray:
    columns = {
        "artist_popularity": album["artist_id"].map(artists.set_index("id")["artist_popularity"]),
        "release_year": album["release_date"].str[:4].astype(float),
        "danceability": table["danceability"],
    }
    cause = np.zeros(len(table))
    for name, share in META_MIX.items():
        mean, sd = POPULATION[name]
        cause += share * (columns[name].to_numpy() - mean) / sd
    return cause.clip(-Z_MAX, Z_MAX)


def _each_then_any(things: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """One of `things` per row, each at least once if there are enough rows."""
    extra = rng.integers(things, size=max(0, count - things))
    chosen = np.concatenate([np.arange(min(things, count)), extra])
    return rng.permutation(chosen)


def _hide(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """True for the rows that keep a value that a fraction of rows, rounded, lacks."""
    kept = np.arange(count) >= round(share * count)
    return rng.permutation(kept)


def _url(kind: str, identifier: str) -> str:
    """A URL that can't exist; `.invalid` is reserved (RFC 2606)."""
    return f"https://synthetic.invalid/{kind}/{identifier}"
