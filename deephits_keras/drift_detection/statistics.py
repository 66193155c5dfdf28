"""Two-sample tests of one hypothesis: that tracks of both samples come from one distribution.

Each is valid at any level, with ties and for samples of any size: what a test looks at (the
categories, the kind of test) depends on the pooled samples only, which don't tell them apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from deephits_keras.features.tables import standardised
from deephits_keras.types import FloatArray, IntArray

FEWEST = 20
"""Fewest tracks of a sample from which something is told."""

FEWEST_EXPECTED = 5
"""Expected count of a cell up to which the chi-squared distribution isn't relied on (Cochran)."""

MOST_CATEGORIES = 30
"""The rarer categories of the pooled samples are counted together."""

TABLES = 9999
"""Random tables from which a p-value is computed where the expected counts are low."""

MOST_CLASSIFIED = 2000
"""Tracks of each sample that a classifier gets."""


@dataclass(frozen=True)
class Result:
    """Result of a test.

    Attributes:
        test: Name of the test.
        effect: How different the samples are; its meaning depends on the test.
        p_value: The p-value.
    """

    test: str
    effect: float
    p_value: float


def compare_numbers(first: FloatArray, second: FloatArray) -> Result:
    """Kolmogorov-Smirnov's test; ties make it conservative.

    Args:
        first: `(n,)` known values of a sample.
        second: `(m,)` known values of the other.

    Returns:
        As `effect` the largest difference of the distribution functions, 0-1.
    """
    with warnings.catch_warnings():
        # Where an exact p-value can't be computed, SciPy warns and returns the asymptotic one.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ks_2samp(first, second)
    return Result("Kolmogorov-Smirnov", float(found.statistic), _probability(found.pvalue))


def compare_categories(first: Sequence[Any], second: Sequence[Any], *, seed: int = 0) -> Result:
    """Pearson's chi-squared test, or Fisher's exact test of two categories.

    Where expected counts are low, the p-value is that of random tables with the same margins. The
    rarest categories beyond `MOST_CATEGORIES` are counted together.

    Args:
        first: `(n,)` known values of a sample.
        second: `(m,)` known values of the other.
        seed: Random seed of the tables.

    Returns:
        As `effect` the total variation distance of the shares, 0-1.
    """
    codes, names = pd.factorize(np.concatenate([np.asarray(first), np.asarray(second)]))
    counts = np.zeros((2, len(names)), np.int64)
    np.add.at(counts, (np.repeat([0, 1], [len(first), len(second)]), codes), 1)
    if len(names) <= MOST_CATEGORIES:
        return compare_counts(counts, seed=seed)
    # Equally rare ones are kept or left together: a choice among them could know the samples.
    total = counts.sum(axis=0)
    kept = total > np.sort(total)[-MOST_CATEGORIES - 1]
    rest = counts[:, ~kept].sum(axis=1, keepdims=True)
    return compare_counts(np.hstack([counts[:, kept], rest]), seed=seed)


def compare_counts(table: IntArray, *, seed: int = 0) -> Result:
    """`compare_categories` of counts.

    Args:
        table: `(2, categories)` tracks of each sample by category.
        seed: Random seed of the tables.
    """
    table = np.asarray(table)[:, np.asarray(table).any(axis=0)]
    shares = table / table.sum(axis=1, keepdims=True)
    effect = float(np.abs(shares[0] - shares[1]).sum() / 2)
    if table.shape[1] < 2:
        return Result("chi-squared", effect, 1.0)
    if table.shape[1] == 2:
        return Result("Fisher", effect, _probability(stats.fisher_exact(table).pvalue))
    expected = stats.contingency.expected_freq(table)
    if expected.min() >= FEWEST_EXPECTED:
        found = stats.chi2_contingency(table, correction=False)
        return Result("chi-squared", effect, _probability(found.pvalue))
    method = stats.MonteCarloMethod(n_resamples=TABLES, rng=np.random.default_rng(seed))
    found = stats.chi2_contingency(table, correction=False, method=method)
    return Result("chi-squared", effect, _probability(found.pvalue))


def compare_shares(first: tuple[int, int], second: tuple[int, int]) -> Result:
    """Fisher's exact test of two shares, each given as (tracks with it, all tracks).

    Returns:
        As `effect` the second share minus the first.
    """
    table = np.array([[k, n - k] for k, n in (first, second)])
    share = second[0] / second[1] - first[0] / first[1]
    return Result("Fisher", share, _probability(stats.fisher_exact(table).pvalue))


def tell_apart(first: FloatArray, second: FloatArray, *, seed: int = 0) -> Result:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017): can the samples be told apart?

    A logistic regression on the columns and their squares learns from one half of the tracks to
    tell the samples apart; on the other half, Mann and Whitney's test compares its scores. Then
    the halves change places. Each half's p-value is valid, as its tracks weren't learned from;
    twice the smaller one is (Bonferroni), whatever their dependence.

    Args:
        first: `(n, columns)` a sample, NaN where unknown.
        second: `(m, columns)` the other.
        seed: Random seed of the halves.

    Returns:
        As `effect` the area under the ROC curve, 0.5 if they can't be told apart.
    """
    rng = np.random.default_rng(seed)
    samples = [sample[rng.permutation(len(sample))[:MOST_CLASSIFIED]] for sample in (first, second)]
    values = np.concatenate(samples)
    values = np.where(np.isfinite(values), values, np.nan)
    labels = np.repeat([0, 1], [len(sample) for sample in samples])
    half = np.concatenate([np.arange(len(sample)) % 2 for sample in samples])
    found = [_learned(values, labels, half == side) for side in (0, 1)]
    area = float(np.mean([area for area, _ in found]))
    return Result("classifier", area, _probability(2 * min(p_value for _, p_value in found)))


def _learned(values: FloatArray, labels: IntArray, learned: Any) -> tuple[float, float]:
    """Area under the curve and p-value on the tracks that aren't learned from."""
    model = _classifier()
    with warnings.catch_warnings():
        # A fit that stops early is a classifier as well.
        warnings.simplefilter("ignore")
        model.fit(values[learned], labels[learned])
        scores = np.asarray(model.decision_function(values[~learned]))
    if np.ptp(scores) == 0:
        return 0.5, 1.0
    one, zero = (scores[labels[~learned] == label] for label in (1, 0))
    found = stats.mannwhitneyu(one, zero, alternative="greater")
    return float(found.statistic) / (len(one) * len(zero)), float(found.pvalue)


def _classifier() -> Pipeline:
    last = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200)
    return make_pipeline(*standardised(), last)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979).

    Without any difference, one of them is at or below a level with at most that probability,
    whatever their dependence.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return [float(value) for value in adjusted]


def _probability(value: Any) -> float:
    number = float(value)
    return min(max(number, 0.0), 1.0) if np.isfinite(number) else 1.0
