"""Attribute a score to the lines of lyrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features
from deephits_keras.types import Array, Tensor

LONGEST_NAME = 60


class ExplainableLines(Explainable):
    """The lines' vectors as the point; the baseline is the training tracks' mean for each.

    Args:
        lines: The lines, or the whole text.
        vectors: Their vectors, `(lines, 512)`.
        branch: The branch, on top of the vectors' mean.
    """

    def __init__(self, lines: Sequence[str], vectors: Array, branch: keras.Model) -> None:
        self.lines, self.branch = lines, branch
        mean = np.asarray(branch.get_layer("scaled").offset, np.float32)
        baseline = np.broadcast_to(mean, vectors.shape).copy()
        reference = "the mean of the training tracks for every line"
        super().__init__({"lines": vectors}, {"lines": baseline}, reference)

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Average the lines, and apply the branch."""
        return self.branch({"vector": ops.mean(values["lines"], axis=1)}, training=False)

    def parts(self, attribution: Features) -> list[Part]:
        """One part per line, in order."""
        sums = attribution["lines"].sum(axis=-1).tolist()
        return [Part(_short(line), value) for line, value in zip(self.lines, sums, strict=True)]


def _short(line: str) -> str:
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"
