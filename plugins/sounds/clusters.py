"""Typical sounds: clusters of MFCC frames, and how often each occurs in a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deephits_keras.types import Array

FAR = 1e6
"""Coordinate of a sound that no frame is near to, in deviations."""


@dataclass(frozen=True)
class Clusters:
    """Clusters of standardised MFCC frames.

    Attributes:
        mean: `(coefficients,)` mean of the frames.
        deviation: `(coefficients,)` their standard deviation.
        centers: `(sounds, coefficients)`, standardised.
    """

    mean: Array
    deviation: Array
    centers: Array

    @classmethod
    def from_frames(cls, frames: Array, sounds: int) -> Clusters:
        """Find clusters (k-means).

        Args:
            frames: `(n, coefficients)`, the training tracks'.
            sounds: Number of clusters; with fewer different frames, the rest are never near.
        """
        from sklearn.cluster import MiniBatchKMeans

        mean, deviation = frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-6)
        scaled = (frames - mean) / deviation
        count = min(sounds, len(np.unique(scaled, axis=0)))
        model = MiniBatchKMeans(count, n_init=3, batch_size=4096, random_state=0).fit(scaled)
        centers = np.full((sounds, frames.shape[1]), FAR)
        centers[:count] = model.cluster_centers_
        return cls(mean, deviation, centers)

    @classmethod
    def unfitted(cls, coefficients: int, sounds: int) -> Clusters:
        """Clusters of an encoder that wasn't adapted, all but one never near."""
        centers = np.full((sounds, coefficients), FAR)
        centers[0] = 0
        return cls(np.zeros(coefficients), np.ones(coefficients), centers)

    def shares(self, frames: Array) -> Array:
        """`(batch, frames, coefficients)` to `(batch, sounds)`: see `SoundShares`."""
        scaled = (frames.astype(np.float64) - self.mean) / self.deviation
        squares = (self.centers**2).sum(axis=1)
        nearness = scaled @ self.centers.T - squares / 2
        nearness -= nearness.max(axis=-1, keepdims=True)
        weights = np.exp(nearness)
        shares: Array = (weights / weights.sum(axis=-1, keepdims=True)).mean(axis=1)
        return shares
