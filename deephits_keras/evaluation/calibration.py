"""Calibration after training: temperature, conformal sets, and the decoding of class scores.

All are fitted on the validation tracks after the checkpoint is selected, and stored in a run's
`calibration.json`. A temperature divides the logits (Guo, Pleiss, Sun and
Weinberger 2017, "On Calibration of Modern Neural Networks"). The sets are split conformal
prediction: of tiers by the score of the true one (Sadinle, Lei and Wasserman 2019, "Least Ambiguous
Set-Valued Classifiers"), of popularities by the absolute error of a regression.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.tasks import LARGEST_SCORE, POPULARITY_MAX, Decoding, Prediction, Task, get_task
from deephits_keras.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from deephits_keras.evaluation.metrics import Metrics

FOLDS = 5
"""Number of folds of the validation tracks that cross-validate the temperature."""

HOTTEST = 20.0
"""Limit of the temperature, from 1 / 20 to 20; without a limit it can diverge."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of a run, fitted on its validation tracks. The default changes nothing.

    Attributes:
        temperature: The fitted temperature; it divides the logits if `kept`.
        kept: Whether the temperature is used: only if it lowers the cross-validated expected
            calibration error.
        ece_before: Expected calibration error of the validation tracks without temperature, 0-1;
            None if no temperature was fitted.
        ece_after: The same with the temperatures of the other folds.
        coverage: Probability that a set contains the true value, 0-1; 0 for no sets.
        threshold: Largest 1 - score of a tier in the set (0-1), or half the width of a
            regression's interval (0-100); None without sets.
        tracks: Number of validation tracks that it was fitted on.
        decoding: How one tier is chosen from the scores, after the temperature
            (`evaluation.decoding`); the threshold of the sets doesn't depend on it.
    """

    temperature: float = 1.0
    kept: bool = False
    ece_before: float | None = None
    ece_after: float | None = None
    coverage: float = 0.0
    threshold: float | None = None
    tracks: int = 0
    decoding: Decoding = LARGEST_SCORE

    def __post_init__(self) -> None:
        shares = [s for s in (self.ece_before, self.ece_after, self.coverage) if s is not None]
        numbers = [self.temperature, *shares, *([] if self.threshold is None else [self.threshold])]
        if not all(map(math.isfinite, numbers)) or min(numbers) < 0 or max(shares) > 1:
            raise ValueError(f"a number is out of its range. Received: {numbers}")
        if not 1 / HOTTEST <= self.temperature <= HOTTEST:
            raise ValueError(f"temperature must be 1/20 to 20. Received: {self.temperature}")
        if (self.threshold is None) != (self.coverage == 0) or self.coverage == 1:
            raise ValueError("a threshold must come with a coverage between 0 and 1")
        if self.tracks < 0:
            raise ValueError(f"tracks must be a number of tracks. Received: {self.tracks}")

    def task(self, name: str) -> Task:
        """The task of a name, whose scores are decoded as fitted.

        Raises:
            UserError: if there is no such task, or the decoding is for another number of tiers.
        """
        try:
            return dataclasses.replace(get_task(name), decoding=self.decoding)
        except ValueError as error:
            raise UserError(f"The calibration is damaged: {error}") from error

    @property
    def divisor(self) -> float:
        """The number that divides the model's logits."""
        return self.temperature if self.kept else 1.0

    def scale(self, outputs: FloatArray) -> FloatArray:
        """Logits `(n, tiers)` divided by the temperature, float32; other outputs are unchanged."""
        if not self.kept:
            return outputs
        scaled: FloatArray = outputs * np.float32(1 / self.temperature)
        return scaled

    def tier_sets(self, scores: FloatArray) -> BoolArray:
        """Tiers in each track's set, `(n, tiers)` bool.

        The highest-scoring tier and the predicted tier always are in it.

        Args:
            scores: `(n, tiers)` class scores, after the temperature.

        Raises:
            ValueError: if there is no threshold.
        """
        sets: BoolArray = 1 - scores <= self._threshold
        for tiers in (scores.argmax(axis=1), self.decoding.tiers(scores)):
            sets[np.arange(len(scores)), tiers] = True
        return sets

    def intervals(self, popularity: FloatArray) -> FloatArray:
        """Lowest and highest popularity of each track, `(n, 2)`, within 0-100.

        Args:
            popularity: `(n,)` predicted popularity of a regression, 0-100.

        Raises:
            ValueError: if there is no threshold.
        """
        middle = np.asarray(popularity, np.float64)[:, np.newaxis]
        ends: FloatArray = middle + self._threshold * np.array([-1.0, 1.0])
        return np.clip(ends, 0, POPULARITY_MAX)

    @property
    def _threshold(self) -> float:
        if self.threshold is None:
            raise ValueError("this run has no sets: it was trained with a coverage of 0")
        return self.threshold

    def metrics(self, task: Task, popularity: FloatArray, prediction: Prediction) -> Metrics:
        """Coverage and size of the sets; empty without sets.

        Args:
            task: The task.
            popularity: `(n,)` true popularity, 0-100.
            prediction: Predictions for the same tracks, after the temperature.

        Returns:
            `coverage`, the fraction of tracks whose set contains the true value; `set_size`, the
            mean number of tiers, or `interval_width`, the mean width in popularity (0-100).
        """
        if self.threshold is None:
            return {}
        if prediction.scores is None:
            # Computed as in fitting, so that rounding doesn't move tracks across an interval's end.
            held = np.abs(popularity - prediction.popularity) <= self.threshold
            low, high = self.intervals(prediction.popularity).T
            return {
                "coverage": float(held.mean()),
                "interval_width": float((high - low).mean()),
            }
        sets = self.tier_sets(prediction.scores)
        true_tiers = task.tiers.of(popularity)
        return {
            "coverage": float(sets[np.arange(len(sets)), true_tiers].mean()),
            "set_size": float(sets.sum(axis=1).mean()),
        }


def calibrate(
    task: Task,
    popularity: FloatArray,
    outputs: FloatArray,
    *,
    temperature: bool,
    coverage: float,
) -> Calibration:
    """Fit the calibration of a run.

    Args:
        task: The task of the model.
        popularity: `(n,)` true popularity of the validation tracks, 0-100.
        outputs: `(n, task.outputs)` raw outputs for these tracks.
        temperature: Whether to try a temperature; a regression has none.
        coverage: Probability that a set contains the true value, or 0 for no sets.
    """
    found = Calibration(tracks=len(popularity))
    if temperature and task.kind == "classification" and len(popularity) >= 2 * FOLDS:
        tiers = task.tiers.of(popularity)
        before, after = _cross_fitted_errors(outputs, tiers)
        found = dataclasses.replace(
            found,
            temperature=fit_temperature(outputs, tiers),
            kept=after < before,
            ece_before=before,
            ece_after=after,
        )
    if not coverage:
        return found
    prediction = task.decode(found.scale(outputs))
    if prediction.scores is None:
        misfits = np.abs(popularity - prediction.popularity)
    else:
        tiers = task.tiers.of(popularity)
        misfits = 1 - prediction.scores[np.arange(len(tiers)), tiers]
    largest = POPULARITY_MAX if prediction.scores is None else 1.0
    threshold = conformal_threshold(misfits, coverage, largest=largest)
    return dataclasses.replace(found, coverage=coverage, threshold=threshold)


def fit_temperature(outputs: FloatArray, true_tiers: IntArray) -> float:
    """The temperature with the lowest log loss, from 1 / `HOTTEST` to `HOTTEST`.

    Args:
        outputs: `(n, tiers)` logits.
        true_tiers: `(n,)` tier indices.
    """
    # Imported here, as prediction with a calibration needs neither SciPy nor scikit-learn.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logits = np.asarray(outputs, np.float64)
    rows = np.arange(len(logits))

    def log_loss(log_temperature: float) -> float:
        scores = log_softmax(logits / math.exp(log_temperature), axis=1)
        return -float(scores[rows, true_tiers].mean())

    # Convex in 1 / temperature, so there is one minimum.
    limit = math.log(HOTTEST)
    best = minimize_scalar(log_loss, bounds=(-limit, limit), options={"xatol": 1e-9})
    return math.exp(best.x)


def _cross_fitted_errors(outputs: FloatArray, true_tiers: IntArray) -> tuple[float, float]:
    """Expected calibration error without temperature, and with cross-validated temperatures."""
    from scipy.special import softmax
    from sklearn.model_selection import KFold

    from deephits_keras.evaluation.metrics import expected_calibration_error

    scaled = np.asarray(outputs, np.float64).copy()
    for rest, fold in KFold(FOLDS, shuffle=True, random_state=0).split(scaled):
        scaled[fold] /= fit_temperature(outputs[rest], true_tiers[rest])
    before, after = (
        expected_calibration_error(true_tiers, softmax(logits, axis=1))
        for logits in (np.asarray(outputs, np.float64), scaled)
    )
    return before, after


def conformal_threshold(misfits: FloatArray, coverage: float, *, largest: float) -> float:
    """The nonconformity score that a new track exceeds with probability at most 1 - `coverage`.

    This is the ceil((n + 1) coverage)-th smallest of the n given ones, if the tracks are
    exchangeable.

    Args:
        misfits: `(n,)` nonconformity score of each track.
        coverage: Above 0, below 1.
        largest: The largest possible score, returned if there are too few tracks.
    """
    # Use decimals: in floating point 25 * 0.56 is above 14.
    rank = math.ceil((len(misfits) + 1) * Fraction(str(coverage)))
    return float(np.sort(misfits)[rank - 1]) if rank <= len(misfits) else largest
