"""Match columns to standard names: exact names, names of public tables, and similar names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from deephits_keras.corpus.values import STANDARD
from deephits_keras.errors import UserError

UNSTATED = ("duration", "length", "song_duration", "track_duration", "song_length", "track_length")
"""Names of a duration column without a unit."""

LONGEST_SECONDS = 10_000
"""A duration of a table's middle song that is no longer than this isn't in milliseconds."""

ALIASES = {
    "track_id": ("id", "spotify_id", "spotify_track_id", "uri", "track_uri", "song_id"),
    "popularity": ("track_popularity", "track_pop", "song_popularity", "pop"),
    "title": ("track_name", "name", "song_name", "song_title", "track_title", "song", "track"),
    "artist_name": (
        "track_artist",
        "track_artists",
        "artist",
        "artists",
        "artist_s",
        "artist_names",
        "artists_name",
        "artist_s_name",
        "performer",
        "singer",
    ),
    "artist_popularity": ("artist_pop",),
    "release_date": ("track_album_release_date", "album_release_date", "released"),
    "release_year": ("year", "released_year", "song_year"),
    "lyrics": ("lyric", "song_lyrics"),
    "tempo": ("bpm", "beats_per_minute"),
    "duration_ms": (
        "song_duration_ms",
        "track_duration_ms",
        "length_ms",
        *UNSTATED,
        "duration_s",
        "duration_sec",
        "duration_seconds",
        "duration_min",
        "duration_minutes",
    ),
    "loudness": ("loudness_db",),
    "mode": ("audio_mode",),
    "valence": ("audio_valence",),
    "danceability": ("dance", "danceable"),
    "acousticness": ("acoustic",),
    "genre": ("track_genre", "playlist_genre", "main_genre", "top_genre"),
    "explicit": ("is_explicit", "track_explicit", "explicit_lyrics"),
    "album_type": ("track_album_type",),
    "language": ("lang", "song_language", "lyrics_language"),
}
"""Names of standard columns in public tables, normalised by `normal`; the first match is used."""

KNOWN = frozenset((*STANDARD, *ALIASES, *(name for names in ALIASES.values() for name in names)))
"""Recognised names of columns."""

UNITS = {"_s": 1e3, "_sec": 1e3, "_seconds": 1e3, "_min": 6e4, "_minutes": 6e4}
"""Endings of a duration's name, with the unit in milliseconds."""


@dataclass(frozen=True)
class ColumnNames:
    """Matched columns.

    Attributes:
        names: Name in the corpus of each imported column.
        recognised: Columns with other names that were matched, by standard name.
        near_misses: Columns with names similar to those of missing standard columns.
        passed_over: Other columns that could be a standard number, by the column that was taken.
    """

    names: Mapping[str, str]
    recognised: Mapping[str, str] = field(default_factory=dict)
    near_misses: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_standard(self) -> dict[str, str]:
        """The column of each standard name with another name."""
        return {new: old for old, new in self.names.items() if new != old}


def normal(name: str) -> str:
    """A column's name in lower case, without spaces, brackets and units.

    Example:
        >>> normal("Loudness (dB)"), normal("danceability_%"), normal(" Track ID")
        ('loudness', 'danceability', 'track_id')
    """
    text = re.sub(r"\((?:db|ms|bpm|%|0-100)\)|%", "", name.strip().casefold())
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def match_columns(
    columns: Sequence[str],
    given: Mapping[str, str],
    source: object,
    *,
    required: Collection[str] = ("popularity",),
) -> ColumnNames:
    """Find the standard columns of a table.

    Args:
        columns: The table's columns.
        given: The caller's column for each standard name; these take precedence.
        source: The table, for messages.
        required: Required standard names.

    Raises:
        UserError: if a given or a required column is missing, or a given name is misspelt.
    """
    there = f"It has: {', '.join(columns)}"
    for standard, column in given.items():
        near = difflib.get_close_matches(standard, [*ALIASES, *STANDARD], 1, 0.85)
        if near and standard not in KNOWN:
            raise UserError(
                f"--column {standard}={column}: {standard} is no standard name: did you mean "
                f"{near[0]}={column}?"
            )
        if column not in columns:
            raise UserError(f"{source} has no column {column!r} for {standard}. {there}")
    taken = dict(given)
    spelled: dict[str, str] = {}
    for column in columns:
        spelled.setdefault(normal(column), column)
    for standard in dict.fromkeys([*ALIASES, *STANDARD]):
        if standard in taken:
            continue
        candidates = [c for c in columns if c == standard]
        candidates += [spelled[n] for n in (standard, *ALIASES.get(standard, ())) if n in spelled]
        free = [c for c in candidates if c not in taken.values()]
        if free:
            taken[standard] = free[0]
    for standard in required:
        if standard not in taken:
            if not all(column.isprintable() for column in columns):
                raise UserError(f"{source} is not a table: its first line isn't text")
            close = difflib.get_close_matches(standard, list(map(normal, columns)), 1, 0.7)
            meant = next((c for c in columns if [normal(c)] == close), "NAME")
            raise UserError(
                f"{source} has no column {standard}. Name the column that contains it: "
                f"--column {standard}={meant}. {there}"
            )
    renamed = {column: standard for standard, column in taken.items()}
    # A column with a standard name for which another column was given.
    shadowed = {name for name in taken if name not in renamed}
    names = {name: renamed.get(name, name) for name in columns if name not in shadowed}
    return ColumnNames(
        names,
        {new: old for new, old in taken.items() if new != old and new not in given},
        _near_misses(names, taken),
        _passed_over(columns, taken, given),
    )


def _passed_over(
    columns: Sequence[str], taken: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Columns that go by the name of a standard number for which another was found."""
    found = {}
    for standard in STANDARD.keys() & taken.keys() - given.keys():
        known = (standard, *ALIASES.get(standard, ()))
        for column in columns:
            # pandas calls the second of two columns named `popularity` `popularity.1`.
            spelled = normal(re.sub(r"\.\d+$", "", column))
            if spelled in known and column not in taken.values():
                found[column] = standard
    return {column: found[column] for column in columns if column in found}


def _near_misses(names: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    found = {}
    lacking = [name for name in (*STANDARD, *ALIASES) if name not in taken]
    for column, name in names.items():
        if name in taken or name != column:
            continue
        close = difflib.get_close_matches(normal(column), lacking, n=1, cutoff=0.8)
        if close:
            found[column] = close[0]
    return found
