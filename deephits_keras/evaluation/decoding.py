"""The decoding of class scores into one tier, fitted on validation tracks after training."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from deephits_keras.choices import LIKELIEST, MACRO_F1
from deephits_keras.evaluation.calibration import fit_temperature
from deephits_keras.tasks import LARGEST_SCORE, Decoding, Task
from deephits_keras.types import FloatArray, IntArray

ALPHAS = tuple(k / 20 for k in range(25))
"""Exponents that are tried, 0 to 1.2; at 1 the scores are as if all tiers were equally frequent."""

DRAWS = 50
"""Number of bootstrap draws of the validation tracks that the macro-F1 is averaged over."""


def fit_decoding(
    rule: str,
    task: Task,
    outputs: FloatArray,
    popularity: FloatArray,
    trained: FloatArray,
    *,
    seed: int = 0,
) -> Decoding:
    """Fit how a model's class scores become tiers.

    For `macro-f1` the exponent with the highest expected macro-F1: that of tiers drawn by the
    class scores of the validation tracks, with a temperature that fits them. Their true tiers
    decide about the temperature alone: the macro-F1 that they give varies too much with the few
    tracks of a rare tier (docs/accuracy.md).

    Args:
        rule: One of `tasks.DECODINGS`.
        task: The task; a regression has no scores to decode.
        outputs: `(n, task.outputs)` outputs for the validation tracks, after the temperature.
        popularity: `(n,)` their true popularity, 0-100.
        trained: `(m,)` popularity of the training tracks, 0-100.
        seed: Random seed of the draws.

    Example:
        >>> from deephits_keras.tasks import get_task
        >>> outputs = np.log([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4]]).repeat(50, axis=0)
        >>> popularity, trained = np.repeat([10.0, 90.0], 50), np.repeat([10.0, 90.0], (18, 2))
        >>> decoding = fit_decoding("macro-f1", get_task("tiers-3"), outputs, popularity, trained)
        >>> decoding.tiers(np.array([[0.5, 0.1, 0.4]]))
        array([2], dtype=int32)
    """
    if rule == LIKELIEST or task.kind == "regression":
        return LARGEST_SCORE
    scores = task.decode(outputs).scores
    if scores is None:
        return LARGEST_SCORE
    counts = np.bincount(task.targets(trained), minlength=task.outputs)
    # One more of each tier: a tier without training tracks must not be favoured without limit.
    shares = tuple(((counts + 1) / (counts.sum() + task.outputs)).tolist())
    truth = task.tiers.of(popularity)
    found = Decoding(rule)
    if rule == MACRO_F1:
        temperature = fit_temperature(outputs, truth)
        likely = softmax(np.asarray(outputs, np.float64) / temperature, axis=1)
        # What the scores of a tier without training tracks say, nothing has taught them.
        likely = np.where(counts > 0, likely, 0.0)
        tried = [Decoding(MACRO_F1, alpha, shares) for alpha in ALPHAS]
        found = max(tried, key=lambda each: _expected_macro_f1(each.tiers(scores), likely))
    metrics = _macro_f1_of_draws([LARGEST_SCORE, found], scores, truth, seed)
    before, after = metrics.mean(axis=1).tolist()
    return Decoding(found.rule, found.alpha, found.shares, before, after)


def _expected_macro_f1(tiers: IntArray, scores: FloatArray) -> float:
    """Macro-F1 of predicted tiers `(n,)` if the true ones were drawn by `(n, tiers)` scores.

    From expected counts, which for many tracks is the expectation.
    """
    predicted = np.eye(scores.shape[1])[tiers]
    sizes = predicted.sum(axis=0) + scores.sum(axis=0)
    right = (predicted * scores).sum(axis=0)
    occurs = sizes > 0
    return float((2 * right[occurs] / sizes[occurs]).mean())


def _macro_f1_of_draws(
    decodings: list[Decoding], scores: FloatArray, truth: IntArray, seed: int
) -> FloatArray:
    """Macro-F1 `(decodings, draws)` on the same bootstrap draws of the tracks."""
    count, tiers = scores.shape
    draws = np.random.default_rng(seed).integers(0, count, (DRAWS, count))
    found = np.empty((len(decodings), DRAWS))
    for number, decoding in enumerate(decodings):
        cells = truth.astype(np.int64) * tiers + decoding.tiers(scores)
        for draw, rows in enumerate(draws):
            table = np.bincount(cells[rows], minlength=tiers**2).reshape(tiers, tiers)
            found[number, draw] = _macro_f1(table)
    return found


def _macro_f1(table: IntArray) -> float:
    """Macro-F1 of a confusion matrix, over the tiers that occur in the truth or are predicted."""
    sizes = table.sum(axis=0) + table.sum(axis=1)
    occurs = sizes > 0
    return float((2 * np.diag(table)[occurs] / sizes[occurs]).mean())
