"""Named numbers of a track as a vector (Section 2.1).

A key becomes indicators, a mode stays a flag, and every other number becomes a z-score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deephits_keras.types import Array

PITCH_CLASSES = 12
INDICATORS = {"key": PITCH_CLASSES + 1}
"""Fields that become indicators, with the number of indicators: pitch classes and "undefined"."""

FLAGS = ("mode",)
"""Fields that are 0 or 1 and not scaled."""


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
