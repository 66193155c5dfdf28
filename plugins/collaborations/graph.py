"""The graph of who recorded with whom, at the end of each year.

PageRank by power iteration on SciPy's matrices: for 30,000 artists with 55,000 pairs it took 0.08
to 0.16 s, igraph (GPL) 0.15 s, scikit-network 0.07 s and networkx 0.80 s, of which 0.30 s to build
its graph (one core; `python -m benchmarks collaborations` measures what all years take).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array

from deephits_keras.corpus.days import EPOCH
from deephits_keras.types import BoolArray, FloatArray, IntArray

from ..artist_history.timeline import Timeline

STATISTICS = ("degree", "joint", "rank", "neighbours", "best")
"""Of an artist at the end of a year: logarithms of the number of collaborators and of joint songs
plus one, logarithm of PageRank over its mean, and mean and best popularity of collaborators over
100 (each collaborator's is the mean of its own songs; the mean is weighted by joint songs)."""

DAMPING = 0.85
TOLERANCE = 1e-5
"""Largest change of a PageRank, of which the mean is 1, in the last step of the iteration."""

MOST_STEPS = 200

CHANGE = 0.02
"""A year's row is kept if a statistic differs by more from the last kept one."""


@dataclass(frozen=True)
class YearlyTimeline(Timeline):
    """One row per artist and year in which something of the artist's place in the graph changed."""

    change: ClassVar[float] = CHANGE

    @classmethod
    def from_years(cls, known: IntArray, found: Iterable[tuple[Any, IntArray, FloatArray]]) -> Self:
        """Keep what differs by more than `change` from an artist's last row.

        Args:
            known: `(n,)` the artists' numbers, ascending.
            found: Years in order, each with indices of artists and their statistics at its end.
        """
        kept = np.full((len(known), len(cls.columns)), np.nan, np.float32)
        epoch = np.datetime64(EPOCH, "D")
        rows: list[tuple[IntArray, IntArray, FloatArray]] = []
        for year, who, statistics in found:
            differs = ~(np.abs(statistics - kept[who]) <= cls.change).all(axis=1)
            who, statistics = who[differs], statistics[differs]
            kept[who] = statistics
            last = ((year + 1).astype("M8[D]") - epoch).astype(int) - 1
            rows.append((known[who], np.full(len(who), last), statistics))
        if not rows:
            return cls.empty()
        columns = (np.concatenate(column) for column in zip(*rows, strict=True))
        return cls.from_rows(*columns)


@dataclass(frozen=True)
class CollaborationGraph(YearlyTimeline):
    """The artists' statistics."""

    columns: ClassVar[tuple[str, ...]] = STATISTICS

    @classmethod
    def from_songs(cls, artists: IntArray, days: IntArray, popularity: FloatArray) -> Self:
        """Build the graphs of all years.

        A song counts from the end of the year of its last possible day. A year's statistics depend
        on the songs up to then alone, to the last bit.

        Args:
            artists: `(songs, artists)` numbers of each song's artists, 0 for none.
            days: `(songs,)` last possible day of release, since 1800.
            popularity: `(songs,)` 0-100; NaN for a collaboration without a song, which tells
                nothing of how popular the artists are.
        """
        known = np.unique(artists[artists > 0])
        return cls.from_years(known, _years(known, artists, days, popularity))


@dataclass(frozen=True)
class Graph:
    """Who recorded with whom by the end of a year.

    Attributes:
        year: The year, datetime64.
        songs: `(all songs,)` bool, which are of this year.
        incidence: `(songs of the year, artists)` sparse, 1 for an artist of a song.
        joint: `(artists, artists)` sparse, number of joint songs; zeros on the diagonal.
    """

    year: Any
    songs: BoolArray
    incidence: Any
    joint: Any

    @property
    def active(self) -> IntArray:
        """Indices of artists who have recorded with others."""
        return np.flatnonzero(np.diff(self.joint.indptr))


def graphs(known: IntArray, artists: IntArray, days: IntArray) -> Iterator[Graph]:
    """The graph at the end of each year with a song; for the arguments see `CollaborationGraph`."""
    count = len(known)
    places, named = np.searchsorted(known, artists), artists > 0
    years = (np.datetime64(EPOCH, "D") + days.astype(np.int64)).astype("M8[Y]")
    joint = csr_array((count, count))
    for year in np.unique(years) if count else ():
        of_year = years == year
        song, place = np.nonzero(named[of_year])
        who = places[of_year][song, place]
        incidence = csr_array((np.ones(len(song)), (song, who)), shape=(int(of_year.sum()), count))
        # An artist who is named twice in a song counts once.
        incidence.data[:] = 1
        pairs = (incidence.T @ incidence).tocsr()
        pairs.setdiag(0)
        pairs.eliminate_zeros()
        joint = (joint + pairs).tocsr()
        yield Graph(year, of_year, incidence, joint)


def _years(
    known: IntArray, artists: IntArray, days: IntArray, popularity: FloatArray
) -> Iterator[tuple[Any, IntArray, FloatArray]]:
    """Each year with the artists who have recorded with others by its end, and their statistics."""
    count = len(known)
    songs, total = np.zeros(count), np.zeros(count)
    joint, ranks = np.zeros(count), np.ones(count)
    for graph in graphs(known, artists, days):
        incidence = graph.incidence
        worth = popularity[graph.songs].astype(np.float64)
        rated = ~np.isnan(worth)
        songs += incidence.T @ rated.astype(np.float64)
        total += incidence.T @ np.where(rated, worth, 0.0)
        several = np.asarray(incidence.sum(axis=1) > 1)
        joint += incidence[several].sum(axis=0)
        if len(active := graph.active):
            among = graph.joint[active][:, active]
            yield graph.year, active, _statistics(among, active, songs, total, joint, ranks)


def _statistics(
    graph: Any,
    active: IntArray,
    songs: FloatArray,
    total: FloatArray,
    joint: FloatArray,
    ranks: FloatArray,
) -> FloatArray:
    """`(active, len(STATISTICS))` of the artists of a graph without isolated ones.

    `ranks` has the last year's PageRanks, from which the iteration starts, and gets this year's.
    """
    graph.sort_indices()
    rated = songs[active] > 0
    mean = total[active] / np.maximum(songs[active], 1)
    weight = graph.sum(axis=1)
    ranks[active] = _pagerank(graph, weight, ranks[active])
    # Of those without a song of their own nothing is known; 0 if no collaborator has one.
    best = np.maximum.reduceat(mean[graph.indices], graph.indptr[:-1])
    of_rated = graph @ rated.astype(np.float64)
    columns = [
        np.log1p(np.diff(graph.indptr)),
        np.log1p(joint[active]),
        np.log(ranks[active]),
        (graph @ mean) / np.where(of_rated > 0, of_rated, 1.0) / 100,
        best / 100,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _pagerank(graph: Any, weight: FloatArray, ranks: FloatArray) -> FloatArray:
    """PageRank over its mean (Brin and Page 1998), weighted by joint songs."""
    for _ in range(MOST_STEPS):
        following: FloatArray = (1 - DAMPING) + DAMPING * (graph @ (ranks / weight))
        if np.abs(following - ranks).max() < TOLERANCE:
            return following
        ranks = following
    return ranks
