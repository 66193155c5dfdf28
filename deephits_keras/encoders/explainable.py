"""How an encoder describes its input, so that a score can be attributed to named parts."""

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
        contribution: Its contribution to the score.
        value: Its value in this track, as text; empty if there is no short text for it.
        empty: Whether the track has no input there: an unknown field, or the padding after a
            short clip. Pages mark it and list it last.
    """

    name: str
    contribution: float
    value: str = ""
    empty: bool = False


class Explainable:
    """One track's input of one modality, at a point from which the embedding is differentiable.

    Integrated gradients need arrays that can be interpolated between a baseline, a neutral input,
    and the track's own. If the features can't be (indicators, a network outside the graph), an
    encoder returns a subclass of this class with another point.

    Args:
        point: Float arrays by name, without a batch axis.
        baseline: The same shapes.
        reference: Description of the baseline, for the page.

    Attributes:
        point: See the argument.
        baseline: See the argument.
        reference: See the argument.
        unattributed: Names of the parts of the input that are held fixed, such as integer
            features, so that no part of the score is attributed to them; none by default.
    """

    unattributed: tuple[str, ...] = ()

    def __init__(self, point: Features, baseline: Features, reference: str) -> None:
        self.point = point
        self.baseline = baseline
        self.reference = reference

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Compute the branch's output from the point, with `keras.ops` and Keras layers only.

        Args:
            values: One float32 tensor `(batch, *shape)` per array of `point`.

        Returns:
            `(batch, embedding size)`; `(1, embedding size)` if `point` has no array.
        """
        raise NotImplementedError

    def parts(self, attribution: Features) -> Sequence[Part]:
        """Sum an attribution by named part; the parts add up to the whole attribution.

        Args:
            attribution: Contributions to the score, in the shapes of `point`.
        """
        return [Part(name, float(values.sum())) for name, values in attribution.items()]

    def draw(self, attribution: Features) -> Figure | Markup | None:
        """Draw an attribution: a figure, a piece of HTML, or None for the core's bar chart.

        A figure is drawn in the style of the package's own, whose colours are
        `deephits_keras.report.style.BLUE` for what raises a score and `VERMILLION` for what
        lowers it.
        """
        del attribution
        return None


class ExplainableFeatures(Explainable):
    """Features as the branch gets them: float features are interpolated, integers held fixed.

    Args:
        features: One track's features.
        branch: The branch, from features by name.
        baseline: The baseline of each float feature; zeros by default.
        reference: Description of the baseline, for the page.
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
        """Use zeros as the baseline."""
        zeros = {spec.name: np.zeros(spec.shape, np.float32) for spec in specs}
        return cls(features, branch, zeros, "zeros")

    def embed(self, values: Mapping[str, Tensor]) -> Tensor:
        """Apply the branch."""
        from keras import ops

        rows = max([1, *(ops.shape(value)[0] for value in values.values())])
        fixed = {n: ops.convert_to_tensor(np.stack([a] * rows)) for n, a in self.fixed.items()}
        return self.branch({**values, **fixed}, training=False)
