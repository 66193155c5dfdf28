"""Attribute a score to columns and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.fields.columns import FLAGS, INDICATORS
from deephits_keras.types import Tensor

from .branch import MOST_WORDS


class ExplainableColumns(Explainable):
    """The branch's vector as the point: unlike a key or a word, it can be interpolated.

    The baseline is a track with every number at the training tracks' median, and neither key, mode
    nor categories. The flags of unknown numbers are those of the track, so that what is unknown
    contributes nothing.

    Args:
        columns: Names of the numeric columns.
        categories: Names of the categorical columns.
        words: The track's word in each category; empty where unknown.
        features: The track's features.
        branch: The branch.
    """

    def __init__(
        self,
        columns: Sequence[str],
        categories: Sequence[str],
        words: Sequence[str],
        features: Features,
        branch: keras.Model,
    ) -> None:
        self.columns, self.categories, self.words = columns, categories, words
        self.numbers = features["numbers"]
        unknown = {
            name: np.full_like(values, np.nan) if name == "numbers" else np.zeros_like(values)
            for name, values in features.items()
        }
        rows = {name: np.stack([features[name], unknown[name]]) for name in features}
        vector, baseline = ops.convert_to_numpy(branch(rows, training=False))
        flags = slice(len(columns), 2 * len(columns))
        baseline[flags] = vector[flags]
        reference = "every number at the training tracks' median, no key, no mode, no category"
        super().__init__({"vector": vector}, {"vector": baseline}, reference)

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Return the vector, which is what the fusion gets."""
        return values["vector"]

    def parts(self, attribution: Features) -> list[Part]:
        """One part per column and category; the pieces of the vector that show it are summed."""
        count = len(self.columns)
        sums = attribution["vector"][: 2 * count].reshape(2, count).sum(axis=0)
        place = 2 * count
        for number, column in enumerate(self.columns):
            size = (column in FLAGS) + INDICATORS.get(column, 0)
            sums[number] += attribution["vector"][place : place + size].sum()
            place += size
        parts = [
            Part(column, float(total), "unknown", empty=True)
            if np.isnan(value)
            else Part(column, float(total), f"{value:.6g}")
            for column, total, value in zip(self.columns, sums, self.numbers, strict=True)
        ]
        # Of each category the indicators, then perhaps one number more.
        stop = place + len(self.categories) * (MOST_WORDS + 1)
        pieces = attribution["vector"][place:stop].reshape(len(self.categories), MOST_WORDS + 1)
        totals = pieces.sum(axis=1)
        if (means := attribution["vector"][stop:]).size:
            totals = totals + means
        return parts + [
            Part(category, float(total), word or "unknown", empty=not word)
            for category, total, word in zip(self.categories, totals, self.words, strict=True)
        ]
