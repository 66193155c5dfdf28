"""Attribute a score to the words of lyrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.types import Tensor

from .branch import WORDS


class ExplainableWords(Explainable):
    """The word embeddings as the point; the baseline is the mean embedding for each word.

    Args:
        words: The words of the lyrics; those that were not read are ignored.
        features: The features extracted from them.
        branch: The branch.
    """

    def __init__(self, words: Sequence[str], features: Features, branch: keras.Model) -> None:
        self.words, self.numbers = words, features["words"]
        layer = branch.get_layer(WORDS)
        self.rest = keras.Model([layer.output, branch.inputs[0]], branch.output)
        table = ops.convert_to_numpy(layer.embeddings).astype(np.float32)
        point = table[self.numbers]
        present = (self.numbers != 0)[:, None]
        baseline = np.where(present, table[1:].mean(axis=0), point)
        reference = "the mean word embedding for every word"
        super().__init__({"words": point}, {"words": baseline}, reference)

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the rest of the branch."""
        rows = ops.shape(values["words"])[0]
        numbers = ops.convert_to_tensor(np.stack([self.numbers] * rows))
        return self.rest([values["words"], numbers], training=False)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per word, in order."""
        sums = attribution["words"].sum(axis=-1).tolist()
        return [Part(word, value) for word, value in zip(self.words, sums, strict=False)]
