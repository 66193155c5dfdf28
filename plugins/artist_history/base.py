"""What encoders of artists over time share: the artists and the date of a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from deephits_keras.corpus.days import span
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.inputs import Input
from deephits_keras.tracks import Track

ARTIST_FIELDS = ("artist_keys", "artist_ids", "artist_id", "artists", "artist_name")
"""Fields with a track's artists, in order of preference."""

DATE_FIELDS = ("release_date", "release_year")
"""Fields with a track's release: a date of any precision, or else the year."""

NUMBERS = 2**31 - 1


@dataclass(frozen=True)
class DatedArtistsConfig(EncoderConfig):
    """Settings of every encoder of artists over time."""

    artists: int = setting(8, "number of artists that are read per track", changes_features=True)

    def __post_init__(self) -> None:
        if not 1 <= self.artists <= 100:
            raise ValueError(f"artists must be from 1 to 100. Received: {self.artists}")


ConfigT = TypeVar("ConfigT", bound=DatedArtistsConfig)


class DatedArtists(ModalityEncoder[ConfigT]):
    """The features of such an encoder, which looks training songs up by them inside the graph.

    A number for each artist (a hash of the key: in 100,000 artists two or three pairs share one)
    and the first and last day on which the track may have been released. A track without an artist
    or a date lacks the modality.
    """

    learns_popularity = True
    inputs = tuple(map(Input, (*ARTIST_FIELDS, *DATE_FIELDS)))

    @classmethod
    def example_tracks(cls, folder: Path) -> tuple[Track, ...]:
        """Example tracks: songs of two artists and of both together; one without a date."""
        del folder
        dates = ("1999", "2003-05", "2003-05-17", "2011-01-02", None)
        names = (["a"], ["a"], ["b"], ["a", "b"], ["a"])
        pairs = enumerate(zip(names, dates, strict=True))
        return tuple(
            Track(f"song-{n}", fields={"artist_keys": keys, "release_date": date})
            for n, (keys, date) in pairs
        )

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """`artists`: `(artists,)` int32, 0 for none; `released`: `(2,)` int32, days since 1800."""
        return (
            FeatureSpec(
                "artists", (self.config.artists,), "int32", "hashed artist ids, 0 for none"
            ),
            FeatureSpec(
                "released", (2,), "int32", "first and last possible release day, days since 1800"
            ),
        )

    def extract(self, track: Track) -> Features | None:
        """Read the artists and the date; see the base class."""
        import numpy as np

        keys = artists_of(track)
        days = span(track.fields.get("release_date"), track.number("release_year"))
        if not keys or days is None:
            return None
        artists = np.zeros(self.config.artists, np.int32)
        numbers = [number_of(key) for key in keys[: self.config.artists]]
        artists[: len(numbers)] = numbers
        return {"artists": artists, "released": np.array(days, np.int32)}


def artists_of(track: Track) -> list[str]:
    """Keys of a track's artists, from the first field that names any; empty if none does."""
    return next((keys for field in ARTIST_FIELDS if (keys := _keys(track.fields.get(field)))), [])


def all_artists_of(track: Track) -> list[str]:
    """Keys of a track's artists by ids and by names, each once.

    Example:
        >>> all_artists_of(Track("t", fields={"artist_ids": ["66CX"], "artist_name": "A"}))
        ['66cx', 'a']
    """
    keys = (key for field in ARTIST_FIELDS for key in _keys(track.fields.get(field)))
    return list(dict.fromkeys(keys))


def unmatched_note(path: Path, kind: str, others: Sequence[str], of: int) -> tuple[str, ...]:
    """A note on those that a table names and that no track of a corpus belongs to, if any.

    Args:
        path: The table.
        kind: What it names: `artist`.
        others: Keys that belong to no track.
        of: Number of all keys.

    Example:
        >>> unmatched_note(Path("signals.csv"), "artist", ["b"], 3)
        ("1 of 3 artists in signals.csv is of no track of this corpus: 'b'",)
    """
    if not others:
        return ()
    are, such = ("is", ":") if len(others) == 1 else ("are", ", such as")
    return (
        f"{len(others):,} of {of:,} {kind}s in {path} {are} of no track of this corpus{such} "
        f"{others[0]!r}",
    )


def _keys(value: Any) -> list[str]:
    from deephits_keras.corpus.artists import artist_key, listed_artists

    if value is None or value != value:
        return []
    listed = listed_artists(value)
    names = [str(value)] if listed is None else listed
    return [key for key in map(artist_key, names) if key]


def number_of(key: str) -> int:
    """A number from 1 to 2**31 - 1 for an artist's key (MurmurHash3)."""
    from deephits_keras.encoders.words import hash_of

    return hash_of(key) % NUMBERS + 1
