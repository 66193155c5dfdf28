"""The training songs of each artist in chronological order, with running statistics."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from deephits_keras.types import FloatArray, IntArray

from .timeline import Timeline

STATISTICS = ("songs", "sum", "best", "first_day", "last_day", "last_hit_day")
"""Running statistics of an artist's songs, up to and including each song."""

NEVER = -1e6
"""Day of the latest hit if there was none."""


@dataclass(frozen=True)
class History(Timeline):
    """One row per song of an artist, on the last day on which it may have been released."""

    columns: ClassVar[tuple[str, ...]] = STATISTICS

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
