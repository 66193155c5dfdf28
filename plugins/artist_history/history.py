"""The training songs of each artist in chronological order, with running statistics."""

from __future__ import annotations

import base64
import itertools
import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np

from deephits_keras.types import Array, FloatArray, IntArray

STATISTICS = ("songs", "sum", "best", "first_day", "last_day", "last_hit_day")
"""Running statistics of an artist's songs, up to and including each song."""

NEVER = -1e6
"""Day of the latest hit if there was none."""

MOST_SONGS = 10_000_000


@dataclass(frozen=True)
class History:
    """Songs by artist, and per artist by the last day on which each may have been released.

    Attributes:
        artists: `(n,)` int32, each artist's number, ascending.
        starts: `(n + 1,)` int32, index of each artist's first song among all songs.
        days: `(songs,)` int32, last possible day of release, ascending within an artist.
        statistics: `(songs, len(STATISTICS))` float32, running over the artist's songs.
    """

    artists: IntArray
    starts: IntArray
    days: IntArray
    statistics: FloatArray

    @classmethod
    def from_songs(
        cls, artists: IntArray, days: IntArray, popularity: FloatArray, hit: float
    ) -> Self:
        """Sort songs and compute the running statistics.

        Args:
            artists: `(songs,)` number of the artist; a song of two artists has two rows.
            days: `(songs,)` last possible day of release.
            popularity: `(songs,)` 0-100.
            hit: Minimum popularity of a hit.
        """
        order = np.lexsort((days, artists))
        artists, days, popularity = artists[order], days[order], popularity[order]
        known, firsts = np.unique(artists, return_index=True)
        starts = np.append(firsts, len(artists)).astype(np.int32)
        rows = np.empty((len(artists), len(STATISTICS)), np.float32)
        for start, end in itertools.pairwise(starts.tolist()):
            mine, when = popularity[start:end], days[start:end].astype(np.float32)
            hits = np.where(mine >= hit, when, NEVER)
            rows[start:end] = np.stack(
                [
                    np.arange(1, end - start + 1),
                    np.cumsum(mine),
                    np.maximum.accumulate(mine),
                    np.full(end - start, when[0]),
                    when,
                    np.maximum.accumulate(hits),
                ],
                axis=1,
            )
        return cls(known.astype(np.int32), starts, days.astype(np.int32), rows)

    @classmethod
    def empty(cls) -> Self:
        """Whether there are no songs."""
        none = np.empty(0, np.int32)
        return cls.from_songs(none, none, none.astype(np.float32), 0.0)

    @property
    def longest(self) -> int:
        """Number of songs of the artist who has most."""
        return int(np.diff(self.starts).max(initial=0))

    def to_text(self) -> str:
        """The history as text, for a layer's configuration."""
        parts = [a.astype("<i4").tobytes() for a in (self.artists, self.starts, self.days)]
        head = np.array([len(self.artists), len(self.days)], "<i4").tobytes()
        body = head + b"".join(parts) + self.statistics.astype("<f4").tobytes()
        return base64.b64encode(zlib.compress(body, 9)).decode()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Create a history from the result of `to_text`.

        Raises:
            ValueError: if it isn't one.
        """
        unpacker = zlib.decompressobj()
        body = unpacker.decompress(base64.b64decode(text, validate=True), MOST_SONGS * 32)
        artists, songs = (int(n) for n in np.frombuffer(body[:8], "<i4"))
        sizes = [artists, artists + 1, songs, songs * len(STATISTICS)]
        if min(artists, songs) < 0 or len(body) != 8 + 4 * sum(sizes) or not unpacker.eof:
            raise ValueError("the stored songs of artists are damaged")
        cuts = np.cumsum([8, *(4 * size for size in sizes)])
        whole: list[Array] = [
            np.frombuffer(body[low:high], kind)
            for low, high, kind in zip(
                cuts[:-1], cuts[1:], ("<i4", "<i4", "<i4", "<f4"), strict=True
            )
        ]
        known, starts, days, statistics = whole
        if starts[0] != 0 or starts[-1] != songs or (np.diff(starts) < 1).any():
            raise ValueError("the stored songs of artists are damaged")
        return cls(known, starts, days, statistics.reshape(songs, len(STATISTICS)))
