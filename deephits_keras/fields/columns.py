"""Named numbers of a track, and how they become a vector (Section 2.1).

A key becomes indicators, a mode stays a flag, and every other number becomes a z-score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

PITCH_CLASSES = 12
INDICATORS = {"key": PITCH_CLASSES + 1}
"""Fields that become indicators, with their number: the pitch classes and "undefined"."""

FLAGS = ("mode",)
"""Fields that are 0 or 1 as they are."""

Array = np.ndarray[Any, Any]


def moments(batches: Iterable[Array], size: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each field, unknown (NaN) values left out.

    Args:
        batches: Batches `(rows, fields)`.
        size: How many fields there are.

    Returns:
        The means, 0 for a field without a value; and the population's deviations, 1 for a field
        that has none or doesn't vary.
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    # A field without a value divides zero by zero.
    with np.errstate(invalid="ignore"):
        for batch in batches:
            scaler.partial_fit(batch.astype(np.float64))
    if not hasattr(scaler, "mean_"):
        return [0.0] * size, [1.0] * size
    return np.nan_to_num(scaler.mean_).tolist(), np.nan_to_num(scaler.scale_, nan=1.0).tolist()


def named_columns(values: Array, fields: Sequence[str]) -> dict[str, Array]:
    """`(batch, fields)` by name, not scaled; a field of `INDICATORS` as `key=0`, `key=1`, ..."""
    named: dict[str, Array] = {}
    for column, field in zip(values.T.astype(np.float64), fields, strict=True):
        if field not in INDICATORS:
            named[field] = column
            continue
        pitch = np.where(column >= 0, np.round(column), PITCH_CLASSES)
        named |= {f"{field}={k}": (pitch == k).astype(float) for k in range(INDICATORS[field])}
    return named
