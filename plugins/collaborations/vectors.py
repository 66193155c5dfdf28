"""Vectors of artists by whom they and their collaborators recorded with.

A random projection of some steps of a random walk on the graph, as FastRP (Chen et al. 2019) and
RandNE (Zhang et al. 2018) do. An artist's own direction is drawn by its number alone, so that the
vectors of all years, and of graphs that grew, have one basis, which no song can change. A basis
that is learned from a graph, as of an SVD, would turn from year to year, or tell of later years.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import normalize

from deephits_keras.types import FloatArray, IntArray

from .graph import YearlyTimeline, graphs

STEPS = 8
"""Steps of the walk, of which half stay: on planted groups of 60 artists, vectors of 8 and 16 told
the group better after 8 steps than after 4 or 6, and little worse than after 10."""

CHANGE = 0.1
"""A year's vector, of length 1, is kept if a number differs by more from the last kept one."""


class NodeVectors(YearlyTimeline):
    """The artists' vectors; `node_vectors(size)` is the class for a size."""

    change: ClassVar[float] = CHANGE

    @classmethod
    def from_songs(cls, artists: IntArray, days: IntArray) -> NodeVectors:
        """Compute the vectors at the end of each year, from the songs up to then alone.

        Args:
            artists: `(songs, artists)` numbers of each song's artists, 0 for none.
            days: `(songs,)` last possible day of release, since 1800.
        """
        known = np.unique(artists[artists > 0])
        own = directions(known, len(cls.columns))

        def years() -> Iterator[tuple[Any, IntArray, FloatArray]]:
            for graph in graphs(known, artists, days):
                if len(active := graph.active):
                    among = graph.joint[active][:, active]
                    yield graph.year, active, walked(among, own[active])

        return cls.from_years(known, years())


@cache
def node_vectors(size: int) -> type[NodeVectors]:
    """The class of vectors of a size.

    Example:
        >>> node_vectors(2).columns
        ('vector_1', 'vector_2')
    """
    columns = tuple(f"vector_{number + 1}" for number in range(size))
    return type("NodeVectors", (NodeVectors,), {"columns": columns})


def directions(numbers: IntArray, size: int) -> FloatArray:
    """A direction for each artist, by a signed hash of its number.

    Args:
        numbers: `(n,)`.
        size: Size of the vectors.

    Returns:
        `(n, size)` float32 of length 1, or zeros.
    """
    hasher = FeatureHasher(size, input_type="string", dtype=np.float32)
    words = ([f"{number} {place}" for place in range(2 * size)] for number in numbers.tolist())
    return normalize(hasher.transform(words).toarray()) if len(numbers) else np.zeros((0, size))


def walked(joint: csr_array, own: FloatArray) -> FloatArray:
    """The mean direction of those at whom a random walk from each artist ends, of length 1.

    Args:
        joint: `(n, n)` number of joint songs; no artist is without any.
        own: `(n, size)` the artists' directions.

    Returns:
        `(n, size)` float32.
    """
    chance = diags_array(1 / joint.sum(axis=1)) @ joint
    # Half of the steps stay: between two artists alone, a walk would only ever change places.
    lazy = ((chance + eye_array(len(own))) / 2).tocsr()
    # The same sums to the last bit, whoever else is among the artists.
    lazy.sort_indices()
    place = own
    for _ in range(STEPS):
        place = normalize(lazy @ place)
    return place.astype(np.float32)
