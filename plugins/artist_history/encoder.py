"""`ArtistHistory`: the earlier songs of a track's artists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.inputs import Input
from deephits_keras.tracks import Track

from .dates import span

ARTIST_FIELDS = ("artist_keys", "artist_ids", "artist_id", "artists", "artist_name")
"""Fields with a track's artists, in order of preference."""

NUMBERS = 2**31 - 1


@dataclass(frozen=True)
class ArtistHistoryConfig(EncoderConfig):
    """Settings of `ArtistHistory`."""

    artists: int = setting(8, "number of artists that are read per track", changes_features=True)
    hit: float = setting(65.0, "minimum popularity of a hit, 0-100")
    superstar_years: float = setting(
        2.0, "years after a hit during which its artist counts as a superstar"
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        if not 1 <= self.artists <= 100:
            raise ValueError(f"artists must be from 1 to 100. Received: {self.artists}")
        if not 0 <= self.hit <= 100:
            raise ValueError(f"hit must be from 0 to 100. Received: {self.hit}")
        if self.superstar_years < 0 or self.units < 1:
            raise ValueError(
                "superstar_years must not be negative and units must be positive. "
                f"Received: {self.superstar_years} and {self.units}"
            )


class ArtistHistory(ModalityEncoder[ArtistHistoryConfig]):
    """Statistics of the artists' training songs that were released before the track.

    Outside the graph: a number for each artist (a hash of the key: in 100,000 artists two or three
    pairs share one) and the first and last day on which the track may have been released. A track
    without an artist or a date lacks the modality.

    Inside: how many earlier songs the artists have in the training part, their mean and best
    popularity, years since the first and the latest of them and since the latest hit, and whether
    there was a hit within `superstar_years` (Interiano et al. 2018). Then two dense layers. Only
    training songs that were certainly released before the track's first possible day are used, so
    neither the track's own popularity nor an artist's later songs can leak.

    Example:
        >>> fields = {"artist_name": "A", "release_date": "1999-05"}
        >>> ArtistHistory().extract(Track("t", fields=fields))["released"].tolist()
        [72803, 72833]
    """

    name = "artist_history"
    modality = "artist"
    version = "1"
    summary = "earlier songs of the artists in the training part -> 8-D vector -> 64-D"
    learns_popularity = True
    inputs = tuple(map(Input, (*ARTIST_FIELDS, "release_date", "release_year")))
    Config = ArtistHistoryConfig

    def __init__(self, config: ArtistHistoryConfig | None = None) -> None:
        super().__init__(config)
        self._songs = ""

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

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

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

    def adapt(self, batches: Iterable[Features]) -> None:
        """Store the training songs and their popularity."""
        import numpy as np

        from .history import History

        artists, days, popularity = [], [], []
        for batch in batches:
            rows, places = np.nonzero(batch["artists"])
            artists.append(batch["artists"][rows, places])
            days.append(batch["released"][rows, 1])
            popularity.append(batch["popularity"][rows])
        if artists:
            who, when, worth = (np.concatenate(part) for part in (artists, days, popularity))
            self._songs = History.from_songs(who, when, worth, self.config.hit).to_text()

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, artists)` and `(batch, 2)` to `(batch, units)`."""
        from .branch import history_branch
        from .history import History

        songs = self._songs or History.empty().to_text()
        config = self.config
        return history_branch(
            inputs["artists"], inputs["released"], songs, config.superstar_years, config.units
        )


def artists_of(track: Track) -> list[str]:
    """Keys of a track's artists; empty if it names none."""
    from deephits_keras.corpus.artists import artist_key, listed_artists

    for field in ARTIST_FIELDS:
        value = track.fields.get(field)
        if value is None or value != value:
            continue
        listed = listed_artists(value)
        names = [str(value)] if listed is None else listed
        if keys := [key for key in map(artist_key, names) if key]:
            return keys
    return []


def number_of(key: str) -> int:
    """A number from 1 to 2**31 - 1 for an artist's key (MurmurHash3)."""
    from sklearn.utils import murmurhash3_32

    return int(murmurhash3_32(key, positive=True) % NUMBERS) + 1
