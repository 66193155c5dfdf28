"""Memory that runs out is explained; other errors are left as they are."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from deephits_keras.errors import DeepHitsError
from deephits_keras.training import memory


@pytest.mark.backends
def test_forty_terabytes_are_too_many_for_any_backend() -> None:
    row = keras.ops.ones((1, 10**6))
    with (
        pytest.raises(DeepHitsError, match=r"a step of 16 tracks: .*--batch-size"),
        memory.explained(16),
    ):
        # JAX computes when it is asked for the result.
        keras.ops.convert_to_numpy(keras.ops.matmul(keras.ops.ones((10**7, 1)), row)[0])


def test_nor_does_numpy_have_them() -> None:
    with pytest.raises(DeepHitsError, match="memory"), memory.explained(16):
        np.ones((10**7, 10**6))


def test_another_error_is_left_alone() -> None:
    with pytest.raises(ValueError, match="as it was"), memory.explained(16):
        raise ValueError("as it was")
