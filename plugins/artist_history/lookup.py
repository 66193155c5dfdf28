"""Inside the graph: the row of a timeline that holds for an artist on a day."""

from __future__ import annotations

import numpy as np
from keras import ops

from deephits_keras.types import Tensor

from .timeline import Timeline


def latest_rows(timeline: Timeline, artists: Tensor, day: Tensor) -> tuple[Tensor, Tensor]:
    """Each artist's latest row before a day.

    A binary search among each artist's rows, of as many steps as the longest list needs.

    Args:
        timeline: The rows.
        artists: `(batch, artists)` int32 numbers of artists, 0 for none.
        day: `(batch, 1)` int32.

    Returns:
        `(batch, artists, columns)` float32 statistics, zeros without such a row, and whether there
        is one, `(batch, artists)` bool.
    """
    places = _places(timeline, artists, day)
    nothing = np.zeros((1, len(timeline.columns)), np.float32)
    table = ops.convert_to_tensor(np.concatenate([nothing, timeline.statistics]))
    return ops.take(table, places, axis=0), ops.greater(places, 0)


def _places(timeline: Timeline, artists: Tensor, day: Tensor) -> Tensor:
    """`(batch, artists)`: 1 + index of the row; 0 if there is none."""
    if not len(timeline.artists):
        return ops.zeros_like(artists)
    known = ops.convert_to_tensor(timeline.artists)
    who = ops.searchsorted(known, ops.reshape(artists, (-1,)))
    who = ops.minimum(ops.cast(who, "int32"), len(timeline.artists) - 1)
    who = ops.reshape(who, ops.shape(artists))
    is_known = ops.equal(ops.take(known, who), artists)
    starts = ops.convert_to_tensor(timeline.starts)
    days = ops.convert_to_tensor(timeline.days)
    start = ops.take(starts, who)
    low, high = start, ops.take(starts, who + 1)
    for _ in range(timeline.longest.bit_length()):
        middle = (low + high) // 2
        inside = ops.less(low, high)
        before = ops.take(days, ops.minimum(middle, len(timeline.days) - 1)) < day
        low = ops.where(ops.logical_and(inside, before), middle + 1, low)
        high = ops.where(ops.logical_and(inside, ops.logical_not(before)), middle, high)
    return ops.where(ops.logical_and(is_known, low > start), low, ops.zeros_like(low))
