"""Numbers that describe the signals before a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from deephits_keras.types import Array, FloatArray, IntArray

from .table import Owner, SignalTable

LATEST = ("latest value", "days since the latest value")
"""Of each signal, over the longest window."""

IN_WINDOW = ("observations", "mean", "change per day")
"""Of each signal and window."""


def column_names(names: Sequence[str], windows: Sequence[int]) -> tuple[str, ...]:
    """Names of the numbers of `measure`, in order.

    Example:
        >>> column_names(["streams"], [7])  # doctest: +NORMALIZE_WHITESPACE
        ('streams: latest value', 'streams: days since the latest value',
         'streams, 7 days: observations', 'streams, 7 days: mean',
         'streams, 7 days: change per day')
    """
    return tuple(
        column
        for name in names
        for column in (
            *(f"{name}: {what}" for what in LATEST),
            *(f"{name}, {days} days: {what}" for days in windows for what in IN_WINDOW),
        )
    )


def measure(
    table: SignalTable,
    owners: Iterable[Owner],
    names: Sequence[str],
    windows: Sequence[int],
    release: int,
) -> Array | None:
    """The signals of a track and its artists in windows that end on the day before the release.

    Each owner is measured alone; then observations are added, the latest day is the latest of any,
    and of the other numbers the mean over the owners is taken who have them.

    Args:
        table: The observations.
        owners: The track and its artists.
        names: Signals.
        windows: Lengths in days, ascending.
        release: The first day on which the track may have been released, since 1800.

    Returns:
        `(names * (2 + 3 * windows),)` float32 as `column_names`, NaN where unknown; None without
        an observation in the longest window.
    """
    each = [_of_one(table, owner, names, windows, release) for owner in owners]
    found = [numbers for numbers in each if numbers is not None]
    if not found:
        return None
    rows = np.stack(found)
    known = ~np.isnan(rows)
    mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    result = np.where(known.any(axis=0), mean, np.nan)
    result[:, 1] = np.where(known[..., 1], rows[..., 1], np.inf).min(axis=0)
    result[:, 1][np.isinf(result[:, 1])] = np.nan
    result[:, len(LATEST) :: len(IN_WINDOW)] = rows[..., len(LATEST) :: len(IN_WINDOW)].sum(axis=0)
    # A sum of large values may not be one of float32.
    limit = np.finfo(np.float32).max
    return np.clip(result, -limit, limit).astype(np.float32).reshape(-1)


def _of_one(
    table: SignalTable, owner: Owner, names: Sequence[str], windows: Sequence[int], release: int
) -> FloatArray | None:
    """`(names, 2 + 3 * windows)` of one owner; None without an observation."""
    numbers = np.full((len(names), len(LATEST) + len(IN_WINDOW) * len(windows)), np.nan)
    numbers[:, len(LATEST) :: len(IN_WINDOW)] = 0.0
    any_found = False
    for place, days, values in table.before(owner, names, release - windows[-1], release):
        any_found = True
        numbers[place, : len(LATEST)] = values[-1], release - days[-1]
        for index, length in enumerate(windows):
            start = np.searchsorted(days, release - length)
            column = len(LATEST) + index * len(IN_WINDOW)
            numbers[place, column : column + len(IN_WINDOW)] = _summary(
                days[start:], values[start:]
            )
    return numbers if any_found else None


def _summary(days: IntArray, values: FloatArray) -> tuple[float, float, float]:
    """Number, mean and least-squares slope of some observations."""
    if not len(values):
        return 0.0, np.nan, np.nan
    mean = values.mean()
    distance = days - days.mean()
    spread = (distance**2).sum()
    slope = (distance * (values - mean)).sum() / spread if spread > 0 else np.nan
    return float(len(values)), float(mean), float(slope)
