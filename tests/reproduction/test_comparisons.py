"""Paired tests: against textbook values, against scikit-learn, and on planted differences."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from sklearn.metrics import f1_score

from deephits_keras.reproduction.comparisons import bootstrap_difference, macro_f1, mcnemar


def test_mcnemar_is_the_two_sided_binomial_test() -> None:
    # Of 12 discordant tracks 10 are one model's: both tails of ten or more heads in twelve.
    assert mcnemar(10, 2) == pytest.approx(2 * sum(comb(12, k) for k in (10, 11, 12)) / 2**12)
    assert mcnemar(2, 10) == pytest.approx(mcnemar(10, 2))
    assert mcnemar(0, 0) == mcnemar(6, 6) == 1


@pytest.mark.parametrize("tiers", [3, 10])
def test_macro_f1_is_scikit_learns(tiers: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        truth, said = rng.integers(0, tiers, (2, 12)).astype("int32")
        assert macro_f1(truth, said) == pytest.approx(f1_score(truth, said, average="macro"))


def guesses(rng: np.random.Generator, truth: np.ndarray, right: float) -> np.ndarray:
    return np.where(rng.random(len(truth)) < right, truth, (truth + 1) % 3)


def test_a_planted_difference_is_found_and_a_missing_one_is_not() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 600)
    good, bad, same = (guesses(rng, truth, share) for share in (0.8, 0.6, 0.6))
    low, high = bootstrap_difference(truth, good, bad)
    assert 0 < low < 0.2 < high
    low, high = bootstrap_difference(truth, bad, same)
    assert low < 0 < high


def test_the_interval_keeps_its_confidence() -> None:
    """Of 60 experiments, 95 % intervals of 200 tracks should miss the truth in about 3.

    More than 9 would be four standard deviations (1.7) away.
    """
    rng = np.random.default_rng(4)
    missed = 0
    for experiment in range(60):
        truth = rng.integers(0, 3, 200)
        first, second = guesses(rng, truth, 0.7), guesses(rng, truth, 0.5)
        low, high = bootstrap_difference(truth, first, second, seed=experiment)
        # Wrong guesses go to the next tier, so precision and recall are both the share of right.
        missed += not low < 0.2 < high
    assert missed <= 9


def test_equal_predictions_have_no_interval() -> None:
    truth = np.array([0, 1, 2])
    assert bootstrap_difference(truth, truth, truth) == (0, 0)
