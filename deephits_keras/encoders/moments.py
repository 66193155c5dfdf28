"""Running mean and variance of training features, for encoders that normalise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from deephits_keras.types import Array

NEVER = 1e30
"""Deviation of a column that doesn't vary in the training split."""

_ROUNDING = 1e-12
"""Smaller deviations, relative to the mean, are rounding."""

_ROWS = 2**18
"""Rows per step; a whole batch of spectrograms in float64 would take gigabytes."""


class Moments:
    """Mean and variance of each column of a stream of arrays; NaN values are ignored.

    Merged batch by batch in float64 (Chan, Golub and LeVeque 1979), so that the corpus never has
    to be in memory.

    Args:
        columns: Number of columns; 1 for the moments of all values together.

    Example:
        >>> moments = Moments(2)
        >>> moments.add(np.array([[1.0, np.nan], [3.0, 5.0]]))
        >>> moments.mean.tolist(), moments.variance.tolist()
        ([2.0, 5.0], [1.0, 1.0])
    """

    def __init__(self, columns: int = 1) -> None:
        self._count = np.zeros(columns)
        self._mean = np.zeros(columns)
        self._squares = np.zeros(columns)

    @classmethod
    def from_batches(cls, batches: Iterable[Array], columns: int = 1) -> Self:
        """Compute the moments of a stream of arrays."""
        moments = cls(columns)
        for batch in batches:
            moments.add(batch)
        return moments

    def add(self, values: Array) -> None:
        """Add an array whose last axis is the columns; any shape if there is one column."""
        rows = values.reshape(-1, len(self._count))
        for start in range(0, len(rows), _ROWS):
            self._merge(rows[start : start + _ROWS].astype(np.float64))

    def _merge(self, values: Array) -> None:
        known = np.isfinite(values)
        count = known.sum(axis=0)
        total = self._count + count
        values = np.where(known, values, 0.0)
        mean = values.sum(axis=0) / np.maximum(count, 1)
        deviations = np.where(known, values - mean, 0.0)
        step = np.where(count > 0, mean - self._mean, 0.0)
        weight = count / np.maximum(total, 1)
        self._squares += (deviations**2).sum(axis=0) + step**2 * self._count * weight
        self._mean += step * weight
        self._count = total

    @property
    def mean(self) -> Array:
        """`(columns,)` means; 0 for a column without a value."""
        return self._mean

    @property
    def variance(self) -> Array:
        """`(columns,)` population variances; 1 for a column that doesn't vary."""
        variance = self._squares / np.maximum(self._count, 1)
        return np.where(self._varies, variance, 1.0)

    @property
    def deviation(self) -> Array:
        """`(columns,)` square roots of the variances; `NEVER` for a column that doesn't vary.

        A model can't learn from such a column, or from one without values. Divided by `NEVER`, any
        later value is scaled to 0; divided by 1, it would be used unscaled.
        """
        return np.where(self._varies, np.sqrt(self.variance), NEVER)

    @property
    def _varies(self) -> Array:
        # The mean of equal numbers in float64 is rounded, so that they seem to differ from it.
        rounding = _ROUNDING * np.abs(self._mean)
        varies: Array = self._squares > self._count * rounding**2
        return varies
