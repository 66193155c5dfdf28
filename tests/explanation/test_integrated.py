"""Integrated gradients against functions whose attributions are known."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from deephits_keras.explanation import integrated
from deephits_keras.explanation.gradients import values_and_gradients
from deephits_keras.explanation.integrated import integrated_gradients

NAN = float("nan")
# float32 sums of a handful of terms of size up to 10.
ROUNDING = 1e-5


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.backends
def test_gradients_are_each_rows_own_and_zero_where_nothing_depends() -> None:
    inputs = {"x": np.array([[1.0, 2], [3, 4]], np.float32), "y": np.ones((2, 1), np.float32)}
    values, gradients = values_and_gradients(lambda v: ops.sum(v["x"] ** 2, axis=1), inputs)
    np.testing.assert_allclose(values, [5, 25])
    np.testing.assert_allclose(gradients["x"], 2 * inputs["x"])
    np.testing.assert_array_equal(gradients["y"], [[0], [0]])


def test_a_polynomial_is_attributed_exactly() -> None:
    """Along a line from 0, x**2 y gives x two thirds of its value and y one third."""
    found = integrated_gradients(
        lambda v: v["x"][:, 0] ** 2 * v["y"][:, 0], {"x": f32(2), "y": f32(3)}, {
            "x": f32(0), "y": f32(0)}
    )  # fmt: skip
    np.testing.assert_allclose(found.values["x"], [8], atol=ROUNDING)
    np.testing.assert_allclose(found.values["y"], [4], atol=ROUNDING)
    assert (found.baseline_score, found.score) == pytest.approx((0, 12), abs=ROUNDING)
    assert found.segments == integrated.FIRST_SEGMENTS


def test_what_does_not_move_gets_nothing() -> None:
    found = integrated_gradients(
        lambda v: ops.sum(v["x"], axis=1), {"x": f32(1, 5)}, {"x": f32(-1, 5)}
    )
    np.testing.assert_allclose(found.values["x"], [2, 0], atol=ROUNDING)


@pytest.mark.parametrize(("point", "baseline"), [(NAN, NAN), (NAN, 0.0), (7.0, NAN)])
def test_an_unknown_value_contributes_nothing(point: float, baseline: float) -> None:
    def score(values):
        known = ops.where(ops.isnan(values["x"]), 0.0, values["x"])
        return ops.sum(known**2, axis=1)

    found = integrated_gradients(score, {"x": f32(point, 3)}, {"x": f32(baseline, 0)})
    np.testing.assert_allclose(found.values["x"], [0, 9], atol=ROUNDING)


def test_a_step_hidden_in_a_small_part_of_the_path_is_found() -> None:
    """Nearly all of the rise is within 1/500 of the path: even steps would miss it."""
    found = integrated_gradients(
        lambda v: ops.sigmoid(4000 * (v["x"][:, 0] - 0.3)), {"x": f32(1)}, {"x": f32(0)}
    )
    assert found.error < 0.01
    assert found.values["x"][0] == pytest.approx(1, abs=0.01)
    assert integrated.FIRST_SEGMENTS < found.segments < 32


@pytest.mark.backends
def test_a_network_of_many_kinks_is_complete() -> None:
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.Input((20,)), *(layers.Dense(64, activation="relu") for _ in range(3)),
         layers.Dense(1)]
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for _ in range(5):
        point = rng.normal(size=20).astype(np.float32)
        found = integrated_gradients(
            lambda v: network(v["x"])[:, 0], {"x": point}, {"x": np.zeros(20, np.float32)}
        )
        assert found.error < 0.01
        total = found.values["x"].sum()
        assert total == pytest.approx(found.score - found.baseline_score, rel=0.01)


def test_the_work_is_bounded_and_the_error_told_where_no_gradient_leads_to_the_score() -> None:
    found = integrated_gradients(
        lambda v: ops.cast(v["x"][:, 0] > 0.3, "float32") + 0 * v["x"][:, 0],
        {"x": f32(1)},
        {"x": f32(0)},
    )
    assert found.segments == integrated.MOST_SEGMENTS
    assert found.error == pytest.approx(1)


def test_no_difference_is_no_error() -> None:
    found = integrated_gradients(
        lambda v: ops.sum(v["x"], axis=1) * 0 + 5, {"x": f32(1, 2)}, {"x": f32(0, 0)}
    )
    assert found.difference == 0
    assert found.error == 0


@pytest.mark.parametrize(
    ("scores", "excess", "error"),
    [((5, 5), 3e-5, 0.6), ((0, 0), 1e-9, 0.1), ((-8, -8), 8e-6, 0.1), ((5, 6), 0.25, 0.25)],
)
def test_a_difference_below_rounding_is_taken_for_rounding(
    scores: tuple[float, float], excess: float, error: float
) -> None:
    total = scores[1] - scores[0] + excess
    found = integrated.Attribution({"x": np.array([total])}, *scores, segments=8)
    assert found.error == pytest.approx(error)


def test_no_work_is_done_for_what_rounding_hides() -> None:
    # In float32 1000 + 0.00001 is 1000: the gradient says what the scores can't.
    found = integrated_gradients(
        lambda v: ops.sum(v["x"], axis=1) * 1e-5 + 1000, {"x": f32(1)}, {"x": f32(0)}
    )
    assert found.difference == 0
    assert found.segments == integrated.FIRST_SEGMENTS
    assert 0 < found.error < 0.01
