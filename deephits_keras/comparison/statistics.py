"""Mean ranks of recipes on the same splits, and significant differences (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Significance level."""


@dataclass(frozen=True)
class Ranking:
    """Ranking of several recipes.

    Attributes:
        blocks: Number of splits with results of all recipes.
        ranks: Mean rank of each, 1 for the best; ties get the average rank.
        p_value: p-value of Friedman's test that all recipes are equal; None with fewer than two
            blocks or three recipes.
        critical_difference: Nemenyi's critical difference: mean ranks that differ by less are not
            significantly different at the level 0.05; None like `p_value`.
    """

    blocks: int
    ranks: Mapping[str, float]
    p_value: float | None
    critical_difference: float | None


def rank(values: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank recipes by a metric for which higher is better.

    Friedman's test assumes independent blocks. Splits of one corpus share tracks, so the test
    overestimates significance.

    Args:
        values: Metric of each recipe on each split, with splits in the same order.

    Raises:
        ValueError: if the recipes have different numbers of splits.

    Example:
        >>> rank({"a": [0.5, 0.6], "b": [0.4, 0.7], "c": [0.1, 0.2]}).ranks
        {'a': 1.5, 'b': 1.5, 'c': 3.0}
    """
    table = np.array([list(own) for own in values.values()], dtype=float).T
    blocks, count = table.shape
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    named = dict(zip(values, map(float, ranks), strict=True))
    if blocks < 2 or count < 3:
        return Ranking(blocks, named, None, None)
    alike = bool((table == table[:, :1]).all())
    p_value = 1.0 if alike else float(stats.friedmanchisquare(*table.T).pvalue)
    quantile = stats.studentized_range.ppf(1 - LEVEL, count, np.inf) / np.sqrt(2)
    difference = float(quantile * np.sqrt(count * (count + 1) / (6 * blocks)))
    return Ranking(blocks, named, p_value, difference)


def leak_p_value(correlations: Sequence[float], tracks: Sequence[int]) -> float:
    """One-sided p-value of the controls' rank correlation without a leak.

    Without a leak, a rank correlation on n tracks is about normal with variance 1 / (n - 1).

    Args:
        correlations: Spearman's rho of each control on its held-out tracks.
        tracks: Number of these tracks.
    """
    known = [(rho, n) for rho, n in zip(correlations, tracks, strict=True) if np.isfinite(rho)]
    if not known:
        return 1.0
    score = sum(rho * np.sqrt(n - 1) for rho, n in known) / np.sqrt(len(known))
    return float(stats.norm.sf(score))
