"""`ArtistHistory`: the earlier songs of a track's artists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features

from .base import DatedArtists, DatedArtistsConfig


@dataclass(frozen=True)
class ArtistHistoryConfig(DatedArtistsConfig):
    """Settings of `ArtistHistory`."""

    hit: float = setting(65.0, "minimum popularity of a hit, 0-100")
    superstar_years: float = setting(
        2.0, "years after a hit during which its artist counts as a superstar"
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.hit <= 100:
            raise ValueError(f"hit must be from 0 to 100. Received: {self.hit}")
        if self.superstar_years < 0 or self.units < 1:
            raise ValueError(
                "superstar_years must not be negative and units must be positive. "
                f"Received: {self.superstar_years} and {self.units}"
            )


class ArtistHistory(DatedArtists[ArtistHistoryConfig]):
    """Statistics of the artists' training songs that were released before the track.

    Outside the graph: the artists and the date (`DatedArtists`).

    Inside: how many earlier songs the artists have in the training part, their mean and best
    popularity, years since the first and the latest of them and since the latest hit, and whether
    there was a hit within `superstar_years` (Interiano et al. 2018). Then two dense layers. Only
    training songs that were certainly released before the track's first possible day are used, so
    neither the track's own popularity nor an artist's later songs can leak.

    Example:
        >>> from deephits_keras.tracks import Track
        >>> fields = {"artist_name": "A", "release_date": "1999-05"}
        >>> ArtistHistory().extract(Track("t", fields=fields))["released"].tolist()
        [72803, 72833]
    """

    name = "artist_history"
    modality = "artist"
    version = "1"
    summary = "earlier songs of the artists in the training part -> 8-D vector -> 64-D"
    Config = ArtistHistoryConfig

    def __init__(self, config: ArtistHistoryConfig | None = None) -> None:
        super().__init__(config)
        self._songs = ""

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

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
