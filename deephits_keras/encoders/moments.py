"""Running mean and variance of training features, for encoders that normalise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from deephits_keras.types import Array

NEVER = 1e30
"""Deviation of a column that no training track tells anything of."""

_ROWS = 2**18
"""Rows at a time: a batch of spectrograms in float64, several times over, would be gigabytes."""


class Moments:
    """Mean and variance of each column of a stream of arrays, unknown (NaN) values left out.

    Merged batch by batch in float64 (Chan, Golub and LeVeque 1979), so that the corpus never has
    to be in memory.

    Args:
        columns: How many columns there are; one for the moments of all values together.

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
        """The moments of a stream of arrays."""
        moments = cls(columns)
        for batch in batches:
            moments.add(batch)
        return moments

    def add(self, values: Array) -> None:
        """Take in an array whose last axis holds the columns; any shape if there is one."""
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
        """`(columns,)` population variances; 1 where there is none to scale by."""
        variance = self._squares / np.maximum(self._count, 1)
        return np.where(variance > 0, variance, 1.0)

    @property
    def deviation(self) -> Array:
        """`(columns,)` square roots of the variances; `NEVER` for a column that doesn't vary.

        Nothing can be learned of such a column, or of one without a value: over so large a number
        whatever it holds later is at its mean, where divided by 1 it would go in unscaled.
        """
        varies = self._squares > 0
        return np.where(varies, np.sqrt(self.variance), NEVER)
