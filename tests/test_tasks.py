"""Tiers and tasks: the paper's Equations (2) and (3), with every edge."""

from __future__ import annotations

import numpy as np
import pytest

from deephits_keras.errors import UserError
from deephits_keras.tasks import TIERS, get_task

POPULARITY = np.array([0, 19, 20, 24.9, 25, 64.9, 65, 79.9, 80, 89.9, 90, 99, 100])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiers-3", [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2]),
        ("tiers-5", [0, 0, 1, 1, 1, 3, 3, 3, 4, 4, 4, 4, 4]),
        ("tiers-10", [0, 1, 2, 2, 2, 6, 6, 7, 8, 8, 9, 9, 9]),
    ],
)
def test_edges_belong_to_the_tier_above_and_100_to_the_top(name: str, expected: list[int]) -> None:
    assert TIERS[name].of(POPULARITY).tolist() == expected


EDGES = [0, 25, 65, 90, 100]
AT_EDGES = {"tiers-3": [0, 1, 2, 2, 2], "tiers-5": [0, 1, 3, 4, 4], "tiers-10": [0, 2, 6, 9, 9]}


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
@pytest.mark.parametrize("name", AT_EDGES)
def test_the_papers_edge_values(name: str, dtype: str) -> None:
    """Equations (2) and (3) at every edge of theirs, as a classification's targets."""
    targets = get_task(name).targets(np.array(EDGES, dtype))
    assert targets.tolist() == AT_EDGES[name]
    assert targets.dtype == np.int32


@pytest.mark.parametrize("name", ["tiers-3", "tiers-10"])
def test_a_regression_is_cut_at_the_papers_edges(name: str) -> None:
    at = get_task("regression").decode(np.array(EDGES)[:, None] / 100)
    assert at.tiers(TIERS[name]).tolist() == AT_EDGES[name]
    below = get_task("regression").decode(np.array([0.2499, 0.6499, 0.8999, 0.9999])[:, None])
    expected = {"tiers-3": [0, 1, 2, 2], "tiers-10": [2, 6, 8, 9]}
    assert below.tiers(TIERS[name]).tolist() == expected[name]


def test_three_tiers_are_the_papers_formula_everywhere() -> None:
    popularity = np.linspace(0, 100, 100_001)
    formula = np.where(popularity < 25, 0, np.where(popularity < 65, 1, 2))
    assert np.array_equal(TIERS["tiers-3"].of(popularity), formula)


def test_ten_tiers_are_the_papers_formula_everywhere() -> None:
    popularity = np.linspace(0, 100, 100_001)
    formula = np.minimum(9, np.floor(popularity / 10))
    assert np.array_equal(TIERS["tiers-10"].of(popularity), formula)


def test_a_classification_gives_scores_that_sum_to_one_and_a_popularity_between() -> None:
    task = get_task("tiers-3")
    prediction = task.decode(np.array([[1000.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert prediction.scores is not None
    assert np.allclose(prediction.scores.sum(axis=1), 1)
    assert prediction.tiers(task.tiers).tolist()[0] == 0
    # One-sided scores give that tier's midpoint; equal ones the mean of 12.5, 45 and 82.5.
    assert np.allclose(prediction.popularity, [12.5, (12.5 + 45 + 82.5) / 3])


def test_a_regression_round_trips_and_is_discretised() -> None:
    task = get_task("regression")
    targets = task.targets(np.array([0.0, 25.0, 65.0, 100.0]))
    prediction = task.decode(targets[:, None])
    assert np.allclose(prediction.popularity, [0, 25, 65, 100], atol=1e-5)
    assert task.decode(np.array([[1.7], [-0.3]])).popularity.tolist() == [100.0, 0.0]


def test_an_unknown_task_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="regression, tiers-3, tiers-5, tiers-10"):
        get_task("tiers-7")
