"""A bounded sample of a stream of tracks, for models that are fitted in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from deephits_keras.types import Array


def thinned(batches: Iterable[Array], most: int) -> Array:
    """Every k-th row of a stream, with the smallest power of two k that leaves `most` or fewer.

    The result doesn't depend on how the rows are divided into batches.

    Args:
        batches: Arrays with the same shape but for the first axis.
        most: Number of rows to keep at most, 1 or more.

    Returns:
        The kept rows in order; an empty array `(0,)` if there are no batches.

    Example:
        >>> thinned([np.arange(3), np.arange(3, 9)], most=4).tolist()
        [0, 4, 8]
    """
    kept: list[tuple[int, Array]] = []
    step = 1
    for place, row in enumerate(_rows(batches)):
        if place % step:
            continue
        kept.append((place, row))
        while len(kept) > most:
            step *= 2
            kept = [(index, each) for index, each in kept if index % step == 0]
    return np.stack([row for _, row in kept]) if kept else np.empty(0)


def _rows(batches: Iterable[Array]) -> Iterator[Array]:
    for batch in batches:
        yield from batch
