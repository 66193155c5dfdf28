"""Mean ranks of several recipes on the same splits, and what difference counts (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
"""Of significance."""


@dataclass(frozen=True)
class Ranking:
    """What the ranks of several recipes come to.

    Attributes:
        blocks: Splits on which all of them were measured.
        ranks: Mean rank of each, 1 for the best; equal metrics share their ranks.
        p_value: Of Friedman's test that all are alike; None with fewer than two blocks or three
            recipes.
        critical_difference: Nemenyi's: mean ranks that differ by less can't be told apart at the
            level 0.05; None likewise.
    """

    blocks: int
    ranks: Mapping[str, float]
    p_value: float | None
    critical_difference: float | None


def rank(values: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank recipes by a metric of which more is better.

    The blocks of Friedman's test are to be independent. Splits of one corpus share their tracks,
    so that the test is too sure of itself: it is a lower bound of the noise.

    Args:
        values: Each recipe's metric on each split, the splits in the same order.

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
    """How likely controls would be to predict so well if there were no leak (one-sided).

    Under it, a rank correlation on n tracks is about normal with a variance of 1 / (n - 1).

    Args:
        correlations: Spearman's rho of each control on its held-out tracks.
        tracks: Number of these tracks.
    """
    known = [(rho, n) for rho, n in zip(correlations, tracks, strict=True) if np.isfinite(rho)]
    if not known:
        return 1.0
    score = sum(rho * np.sqrt(n - 1) for rho, n in known) / np.sqrt(len(known))
    return float(stats.norm.sf(score))
