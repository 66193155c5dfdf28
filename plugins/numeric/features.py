"""The columns outside the graph: their statistics, and how they are spread out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

PITCH_CLASSES = 12
INDICATORS = {"key": PITCH_CLASSES + 1}
"""Columns that become indicators, with their number: the pitch classes and "undefined"."""


def named_columns(fields: np.ndarray[Any, Any], columns: Sequence[str]) -> dict[str, Array]:
    """`(batch, columns)` as it is stored, by name; a column of `INDICATORS` as `key=0`, ..."""
    named: dict[str, Array] = {}
    for values, column in zip(fields.T.astype(np.float64), columns, strict=True):
        if column not in INDICATORS:
            named[column] = values
            continue
        pitch = np.where(np.isnan(values) | (values < 0), PITCH_CLASSES, values)
        named |= {f"{column}={k}": (pitch == k).astype(float) for k in range(INDICATORS[column])}
    return named


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
