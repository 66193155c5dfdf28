"""Qualities: how much a training may cost, in terms of a recipe's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deephits_keras.choices import QUALITIES
from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig

GOOD = "good"
"""The quality that leaves a recipe as it is."""

FAST_FRACTION, FEWEST_EPOCHS = 4, 3
"""Fraction of a recipe's epochs in a fast training, and its least number."""

BEST_ENSEMBLE = 5
"""Models of the best quality: averaging rarely loses, whereas a short search may."""


def quality_settings(quality: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `TrainingConfig` that a quality changes.

    Args:
        quality: `fast` (a quarter of the epochs), `good` (none) or `best` (the mean of five models
            with different seeds).
        training: The recipe's fields.

    Raises:
        UserError: for another quality.

    Example:
        >>> quality_settings("fast", {"epochs": 40, "patience": 12})
        {'epochs': 10, 'patience': 0}
    """
    if quality not in QUALITIES:
        raise UserError(f"There is no quality named {quality!r}. Qualities: {', '.join(QUALITIES)}")
    if quality == "fast":
        epochs = training.get("epochs", TrainingConfig.epochs)
        fewer = min(max(epochs // FAST_FRACTION, FEWEST_EPOCHS), epochs)
        # No recipe waits for a better checkpoint during so few.
        return {"epochs": fewer, "patience": 0}
    return {"ensemble": BEST_ENSEMBLE} if quality == "best" else {}
