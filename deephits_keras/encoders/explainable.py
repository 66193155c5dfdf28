"""What an encoder tells of its input, so that a score can be attributed to named parts of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.types import Tensor

if TYPE_CHECKING:
    import keras
    from markupsafe import Markup
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Part:
    """A named part of a track's input.

    Attributes:
        name: For example a field, a word, or a region of time and frequency.
        contribution: What it added to the score.
        value: What the track has there, in words; empty if that can't be said briefly.
        empty: Whether the track has nothing there: a field that is unknown, or the padding behind
            a short clip. Pages say so, and list it after all others.
    """

    name: str
    contribution: float
    value: str = ""
    empty: bool = False


class Explainable:
    """One track's input of one modality, at a point from which the embedding is differentiable.

    Integrated gradients need arrays that can move along a straight line from a baseline, an input
    that says nothing, to the track's own. Where the features can't (indicators, a network outside
    of the graph), an encoder gives another point, by a subclass of this class.

    Args:
        point: Float arrays by name, without a batch axis.
        baseline: The same shapes.
        reference: What the baseline is, in words.

    Attributes:
        point: As given.
        baseline: As given.
        reference: As given.
        unattributed: Names of the parts of the input that stay as they are, such as whole
            numbers, so that nothing of the score is attributed to them; none by default.
    """

    unattributed: tuple[str, ...] = ()

    def __init__(self, point: Features, baseline: Features, reference: str) -> None:
        self.point = point
        self.baseline = baseline
        self.reference = reference

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """The way from the point to the branch's output, made of `keras.ops` and Keras layers.

        Args:
            values: A float32 tensor `(batch, *shape)` for each array of `point`.

        Returns:
            `(batch, embedding size)`; `(1, embedding size)` if `point` has no array.
        """
        raise NotImplementedError

    def parts(self, attribution: Features) -> Sequence[Part]:
        """Sum an attribution into named parts; together they are all of it.

        Args:
            attribution: Contributions to the score, in the shapes of `point`.
        """
        return [Part(name, float(values.sum())) for name, values in attribution.items()]

    def draw(self, attribution: Features) -> Figure | Markup | None:
        """A picture of an attribution, a piece of HTML, or None for the core's bar chart.

        A figure is drawn in the style of the package's own, whose colours are
        `deephits_keras.report.style.BLUE` for what raises a score and `VERMILLION` for what
        lowers it.
        """
        del attribution
        return None


class ExplainableFeatures(Explainable):
    """Features as the branch gets them: float ones move, whole numbers stay as they are.

    Args:
        features: One track's features.
        branch: The branch, from features by name.
        baseline: The baseline of each float feature; zeros by default.
        reference: What it is.
    """

    def __init__(
        self,
        features: Features,
        branch: keras.Model,
        baseline: Features,
        reference: str,
    ) -> None:
        self.branch = branch
        moving = {n: a for n, a in features.items() if np.issubdtype(a.dtype, np.floating)}
        self.fixed = {n: a for n, a in features.items() if n not in moving}
        self.unattributed = tuple(self.fixed)
        super().__init__(moving, {name: baseline[name] for name in moving}, reference)

    @classmethod
    def from_zeros(
        cls, specs: Sequence[FeatureSpec], features: Features, branch: keras.Model
    ) -> Self:
        """With zeros as the baseline."""
        zeros = {spec.name: np.zeros(spec.shape, np.float32) for spec in specs}
        return cls(features, branch, zeros, "zeros")

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Through the branch."""
        from keras import ops

        rows = max([1, *(ops.shape(value)[0] for value in values.values())])
        fixed = {n: ops.convert_to_tensor(np.stack([a] * rows)) for n, a in self.fixed.items()}
        return self.branch({**values, **fixed}, training=False)
