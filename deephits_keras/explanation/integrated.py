"""Integrated gradients (Sundararajan, Taly and Yan 2017), refined until they are complete."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from deephits_keras.encoders.features import Features
from deephits_keras.explanation.gradients import (
    Evaluate,
    Function,
    compiled_gradients,
    values_and_gradients,
)
from deephits_keras.utils.progress import progress

NODES = np.array([0, (1 - (3 / 7) ** 0.5) / 2, 0.5, (1 + (3 / 7) ** 0.5) / 2, 1])
WEIGHTS = np.array([1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20])
"""Gauss-Lobatto quadrature on 0 to 1, exact to degree 7; it includes both ends."""

FIRST_SEGMENTS = 8
MOST_SEGMENTS = 96
"""Most segments of the path, which limits time and memory."""

ROUNDING = 1e-5
"""Relative rounding error of a score: float32 over a hundred layers (1.2e-7 each)."""


@dataclass(frozen=True)
class Attribution:
    """Contributions of the inputs to the difference between two scores.

    Attributes:
        values: Contributions, float64, in the shapes of the inputs; negative where the input
            lowered the score.
        baseline_score: The score at the baseline.
        score: The score at the point.
        segments: Number of segments of the path, with five gradients each.
    """

    values: Features
    baseline_score: float
    score: float
    segments: int

    @property
    def difference(self) -> float:
        """The difference of the scores, to which the contributions should add up."""
        return self.score - self.baseline_score

    @property
    def error(self) -> float:
        """Completeness error: the contributions' sum minus the difference, relative to it.

        A difference below float32's rounding of the scores is replaced by that rounding.
        """
        total = sum(float(array.sum()) for array in self.values.values())
        return abs(total - self.difference) / max(
            abs(self.difference), _rounding(self.score, self.baseline_score)
        )


@dataclass(frozen=True)
class _Segment:
    """A segment of the path from `start` to `end`, as fractions of it."""

    start: float
    end: float
    scores: tuple[float, float]
    integral: Features
    contribution: float

    @property
    def error(self) -> float:
        return abs(self.contribution - (self.scores[1] - self.scores[0]))


def integrated_gradients(
    function: Function, point: Features, baseline: Features, *, tolerance: float = 0.01
) -> Attribution:
    """Attribute `function(point) - function(baseline)` to the inputs.

    The gradient is integrated along the straight line from the baseline to the point, in segments
    of five nodes. Each segment's contributions should add up to its difference of scores; the
    segment with the largest error is halved until the sum of errors is small enough. A value that
    is NaN in either keeps its value in `point` and gets no contribution.

    Args:
        function: Maps a batch of inputs to scores.
        point: Float arrays by name, without a batch axis.
        baseline: The same shapes.
        tolerance: Largest allowed sum of the segments' errors, relative to the difference. It
            bounds `Attribution.error`, unless `MOST_SEGMENTS` is reached first.
    """
    steps = {name: _step(baseline[name], point[name]) for name in point}
    evaluate: Evaluate = partial(values_and_gradients, function)

    def measure(*pieces: tuple[float, float]) -> list[_Segment]:
        shares = np.stack([1 - (start + (end - start) * NODES) for start, end in pieces])
        batch = {
            name: (point[name] - shares.reshape(-1, *[1] * step.ndim) * step).astype(np.float32)
            for name, step in steps.items()
        }
        scores, gradients = evaluate(batch)
        found = []
        for number, (start, end) in enumerate(pieces):
            nodes = slice(number * len(NODES), (number + 1) * len(NODES))
            integral = {
                name: (end - start) * _product(np.tensordot(WEIGHTS, gradients[name][nodes], 1), s)
                for name, s in steps.items()
            }
            contribution = sum(float(array.sum()) for array in integral.values())
            first, *_, last = scores[nodes]
            found.append(_Segment(start, end, (float(first), float(last)), integral, contribution))
        return found

    ends = np.linspace(0, 1, FIRST_SEGMENTS + 1).tolist()
    pieces = list(itertools.pairwise(ends))
    # Two at a time, as an evaluation costs hardly more for ten rows than for five.
    segments = [s for n in range(0, len(pieces), 2) for s in measure(*pieces[n : n + 2])]
    scores = segments[0].scores[0], segments[-1].scores[1]
    allowed = tolerance * max(abs(scores[1] - scores[0]), _rounding(*scores))
    splits = MOST_SEGMENTS - FIRST_SEGMENTS
    # Only now, as many tracks need no split.
    evaluate = compiled_gradients(function)
    for _ in progress(range(splits), total=splits, what="integrated gradients, at most"):
        if sum(segment.error for segment in segments) <= allowed:
            break
        worst = max(segments, key=lambda segment: segment.error)
        middle = (worst.start + worst.end) / 2
        segments.remove(worst)
        segments += measure((worst.start, middle), (middle, worst.end))
    values = {name: np.sum([s.integral[name] for s in segments], axis=0) for name in steps}
    return Attribution(values, *scores, segments=len(segments))


def _step(start: np.ndarray[Any, Any], end: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    difference = end.astype(np.float32) - start.astype(np.float32)
    return np.where(np.isnan(difference), np.float32(0), difference)


def _product(gradient: np.ndarray[Any, Any], step: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Their product; 0 where the step is 0, even if the gradient isn't finite."""
    return np.where(step == 0, 0.0, gradient * step)


def _rounding(*scores: float) -> float:
    return ROUNDING * max(*map(abs, scores), 1e-3)
