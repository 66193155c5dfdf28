"""The popularity of a synthetic track: one known cause per modality, and noise.

A cause is a number, about N(0, 1), drawn for each track and expressed in the preview, the lyrics or
the metadata. The causes are independent of each other, so a model can't find the cause of one
modality in another.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from deephits_keras.choices import CAUSES
from deephits_keras.errors import UserError
from deephits_keras.tasks import POPULARITY_MAX

MEAN = 50.0
"""Popularity of a track whose causes and noise are all zero."""

WEIGHTS = {"audio": 8.0, "lyrics": 8.0, "meta": 14.0}
"""Popularity per unit of each cause, if `causes` is `all`."""

NOISE = 5.0
"""Standard deviation of the unexplained part of the popularity."""

Z_MAX = 2.5
"""Causes are clipped to this many standard deviations, so that previews sound acceptable."""


def weights_for(causes: str) -> dict[str, float]:
    """Popularity per unit of each cause.

    Args:
        causes: `all`, or the only modality that the popularity depends on. Its weight
            is then that of all of them together, so that the popularity's variance is unchanged.

    Raises:
        UserError: if `causes` is neither.
    """
    if causes not in CAUSES:
        raise UserError(f"causes must be one of {', '.join(CAUSES)}. Received: {causes!r}")
    if causes == "all":
        return dict(WEIGHTS)
    return {name: math.hypot(*WEIGHTS.values()) * (name == causes) for name in WEIGHTS}


def draw_cause(rng: np.random.Generator, size: int) -> np.ndarray:
    """Causes of `size` tracks, float64, standard normal within `Z_MAX`."""
    return rng.standard_normal(size).clip(-Z_MAX, Z_MAX)


def popularity_from(
    causes: dict[str, np.ndarray], weights: dict[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Compute the popularity.

    Args:
        causes: One array `(tracks,)` per modality; 0 where a track lacks it.
        weights: Popularity per unit of each cause.
        rng: Generator of the noise.

    Returns:
        For each modality `<name>_cause` and `<name>_points` (cause times weight), then
        `noise_points` and `popularity`: `MEAN` plus all points, clipped to 0-100 and rounded to an
        integer like Spotify's.
    """
    truth = pd.DataFrame({f"{name}_cause": cause for name, cause in causes.items()})
    for name in causes:
        truth[f"{name}_points"] = truth[f"{name}_cause"] * weights[name]
    truth["noise_points"] = rng.normal(0.0, NOISE, len(truth))
    points = truth.filter(like="_points").sum(axis=1)
    truth["popularity"] = (MEAN + points).clip(0, POPULARITY_MAX).round()
    return truth
