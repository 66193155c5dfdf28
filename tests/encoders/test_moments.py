"""Moments: what doesn't vary isn't taken for varying by its rounding."""

from __future__ import annotations

import numpy as np
import pytest

from deephits_keras.encoders.moments import NEVER, Moments


@pytest.mark.parametrize("value", [0.1, np.log1p(52_100), -7.3e9, 0.0])
def test_a_constant_column_does_not_vary(value: float) -> None:
    moments = Moments(2)
    for count in (1000, 37, 501):
        moments.add(np.stack([np.full(count, value), np.arange(count)], axis=1))
    assert moments.deviation[0] == NEVER
    assert moments.variance[0] == 1
    assert 100 < moments.deviation[1] < 1000


def test_a_column_that_varies_in_the_last_digits_of_float32_varies() -> None:
    near = np.nextafter(np.float32(1e6), np.float32(2e6))
    moments = Moments(1)
    moments.add(np.array([1e6, near] * 50, np.float32))
    assert moments.deviation[0] == pytest.approx((near - 1e6) / 2)
