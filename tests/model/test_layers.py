"""Layers refuse arguments that would give no numbers."""

from __future__ import annotations

import pytest

from deephits_keras.model.layers import WeightedScores


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, -1.0], [float("nan"), 1.0]])
def test_weights_must_be_positive(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        WeightedScores(True, weights)
