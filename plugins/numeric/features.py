"""Statistics of the columns over the training split."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


class ColumnMoments:
    """Mean and deviation of each column of a stream of rows, unknown (NaN) values left out.

    Merged batch by batch in float64 (Chan, Golub and LeVeque 1979).
    """

    def __init__(self, columns: int) -> None:
        self._count: Array = np.zeros(columns)
        self.mean: Array = np.zeros(columns)
        self._squares: Array = np.zeros(columns)

    def add(self, rows: np.ndarray[Any, Any]) -> None:
        """Take in `(rows, columns)`."""
        known = ~np.isnan(rows)
        values = np.where(known, rows, 0).astype(np.float64)
        count = known.sum(axis=0)
        mean = values.sum(axis=0) / np.maximum(count, 1)
        step = mean - self.mean
        total = np.maximum(self._count + count, 1)
        self._squares += np.where(known, (values - mean) ** 2, 0).sum(axis=0)
        self._squares += step**2 * self._count * count / total
        self.mean = self.mean + step * count / total
        self._count += count

    @property
    def deviation(self) -> Array:
        """Population standard deviation; 1 for a column that doesn't vary."""
        deviation = np.sqrt(self._squares / np.maximum(self._count, 1))
        return np.where(deviation > 0, deviation, 1.0)
