"""Attribute a score to tags, or to the windows of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from deephits_keras.encoders.explainable import ExplainableFeatures, Part
from deephits_keras.encoders.features import Features

from .shapes import FRONT, MIDDLE, MIDDLE_FILTERS, TIMBRE_FILTERS


class ExplainableTags(ExplainableFeatures):
    """The tags' scores as the point; the baseline is their mean in training, as are all others.

    Args:
        tags: Names of the tags.
        features: One track's features.
        branch: The branch.
    """

    def __init__(self, tags: Sequence[str], features: Features, branch: keras.Model) -> None:
        self.tags = tags
        self.scores = features["tags"]
        means = np.asarray(branch.get_layer("scaled").offset, np.float32)
        baseline = {"tags": means[: len(tags)], "pooled": means[len(tags) :]}
        super().__init__(features, branch, baseline, "the mean of the training tracks")

    def parts(self, attribution: Features) -> list[Part]:
        """One part per tag with its score, and one per group of pooled features."""
        parts = [
            Part(tag, float(contribution), f"{float(score):.2f}")
            for tag, contribution, score in zip(
                self.tags, attribution["tags"], self.scores, strict=True
            )
        ]
        if "pooled" not in attribution:
            return parts
        start = 0
        for name, size in (
            ("features of timbre", 2 * TIMBRE_FILTERS),
            ("features of rhythm", FRONT - 2 * TIMBRE_FILTERS),
            *((f"features of layer {n + 1}", MIDDLE_FILTERS) for n in range(len(MIDDLE))),
        ):
            stop = start + size
            parts.append(Part(name, float(attribution["pooled"][start:stop].sum())))
            start = stop
        return parts


class ExplainableWindows(ExplainableFeatures):
    """The spectrograms of the windows as the point; the baseline is silence."""

    def parts(self, attribution: Features) -> list[Part]:
        """One part per window, in order."""
        values = attribution["patches"]
        return [
            Part(f"window {number} of {len(values)}", float(window.sum()))
            for number, window in enumerate(values, start=1)
        ]
