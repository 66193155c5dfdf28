"""Temperature scaling and conformal sets, against scikit-learn's, MAPIE's and planted data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from scipy.special import softmax
from scipy.stats import betabinom
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import KFold, cross_val_predict

from deephits_keras.errors import UserError
from deephits_keras.evaluation.calibration import (
    HOTTEST,
    Calibration,
    calibrate,
    conformal_threshold,
    fit_temperature,
)
from deephits_keras.evaluation.metrics import expected_calibration_error
from deephits_keras.tasks import TASKS, TIERS, Prediction
from deephits_keras.utils.files import read_record
from deephits_keras.utils.records import from_plain, to_plain

THREE = TASKS["tiers-3"]
MIDDLES = np.array([12.5, 45.0, 82.5])


def planted(
    n: int, *, heat: float = 1.0, seed: int = 0
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Logits whose softmax is each track's true chance of each tier, then made `heat` as large."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 3))
    tiers = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return MIDDLES[tiers], (heat * logits).astype(np.float32)


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose input is its logits."""

    def fit(self, logits: Any, tiers: Any) -> Given:
        self.classes_ = np.unique(tiers)
        return self

    def decision_function(self, logits: Any) -> Any:
        return logits

    def predict_proba(self, logits: Any) -> Any:
        return softmax(logits, axis=1)

    def predict(self, logits: Any) -> Any:
        return self.classes_[np.argmax(logits, axis=1)]


class GivenNumber(RegressorMixin, BaseEstimator):
    """A regression whose input is its prediction."""

    def fit(self, values: Any, truth: Any) -> GivenNumber:
        self.fitted_ = True
        return self

    def predict(self, values: Any) -> Any:
        return np.asarray(values)[:, 0]


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_the_temperature_is_scikit_learns(heat: float) -> None:
    popularity, logits = planted(300, heat=heat)
    tiers = TIERS["tiers-3"].of(popularity)
    oracle = CalibratedClassifierCV(
        FrozenEstimator(Given().fit(logits, tiers)), method="temperature"
    )
    oracle.fit(logits.astype(np.float64), tiers)
    theirs = 1 / oracle.calibrated_classifiers_[0].calibrators[0].beta_
    # At the minimum the loss is flat: both stop where it no longer changes, about the square
    # root of float64's rounding.
    assert fit_temperature(logits, tiers) == pytest.approx(theirs, rel=1e-6)
    # 300 tracks tell the planted one to about 10 %.
    assert theirs == pytest.approx(heat, rel=0.4)


def test_a_temperature_stays_finite_where_every_track_is_right_or_wrong() -> None:
    tiers = np.array([0, 1, 2] * 5)
    right = 5 * np.eye(3)[tiers]
    # Below about 1 / 8 the loss is 0 in float64: no temperature is better than another.
    assert 1 / HOTTEST <= fit_temperature(right, tiers) < 0.15
    assert 19 < fit_temperature(right, (tiers + 1) % 3) <= HOTTEST


def test_too_sure_scores_are_corrected_and_right_ones_left_alone() -> None:
    popularity, logits = planted(2000, heat=3.0)
    found = calibrate(THREE, popularity, logits, temperature=True, coverage=0)
    assert found.kept
    assert found.temperature == pytest.approx(3, rel=0.2)
    assert found.ece_after < 0.3 * found.ece_before
    new_popularity, new_logits = planted(2000, heat=3.0, seed=1)
    tiers = TIERS["tiers-3"].of(new_popularity)
    raw, scaled = (
        expected_calibration_error(tiers, softmax(outputs, axis=1))
        for outputs in (new_logits, found.scale(new_logits))
    )
    assert scaled < 0.3 * raw
    off = calibrate(THREE, popularity, logits, temperature=False, coverage=0)
    assert off == Calibration(tracks=2000)
    assert off.scale(logits) is logits


def test_each_track_is_judged_by_a_temperature_fitted_without_it() -> None:
    popularity, logits = planted(60, heat=2.0)
    logits = logits.astype(np.float64)
    tiers = TIERS["tiers-3"].of(popularity)
    oracle = CalibratedClassifierCV(
        FrozenEstimator(Given().fit(logits, tiers)), method="temperature"
    )
    folds = KFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(oracle, logits, tiers, cv=folds, method="predict_proba")
    found = calibrate(THREE, popularity, logits, temperature=True, coverage=0)
    assert found.ece_after == pytest.approx(expected_calibration_error(tiers, scores), rel=1e-6)


def test_a_temperature_that_does_not_help_the_tracks_left_out_is_not_kept() -> None:
    # Twelve tracks, ten of them right: each fold's temperature is another one. Found by search
    # among seeds, since which way so few tracks fall is chance.
    outcomes = {}
    for seed in range(30):
        popularity, logits = planted(12, seed=seed)
        outcomes[seed] = calibrate(THREE, popularity, logits, temperature=True, coverage=0)
    assert {found.kept for found in outcomes.values()} == {True, False}
    for found in outcomes.values():
        assert found.kept == (found.ece_after < found.ece_before)
        assert found.divisor == (found.temperature if found.kept else 1)


@pytest.mark.parametrize("few", [0, 9])
def test_too_few_tracks_and_regressions_get_no_temperature(few: int) -> None:
    popularity, logits = planted(few or 100)
    task = THREE if few else TASKS["regression"]
    outputs = logits if few else logits[:, :1]
    found = calibrate(task, popularity, outputs, temperature=True, coverage=0)
    assert (found.kept, found.ece_before) == (False, None)


def test_the_calibration_error_worked_out_by_hand() -> None:
    scores = np.array(
        [
            [0.9, 0.05, 0.05],
            [0.92, 0.04, 0.04],
            [0.3, 0.5, 0.2],
            [0.2, 0.4, 0.4],
            [0.35, 0.27, 0.38],
        ]
    )
    # Bins of 1/15: 0.9 and 0.92 in (13/15, 14/15], one right; 0.5 in (7/15, 8/15], right; 0.38 and
    # 0.4, which is 6/15, in (5/15, 6/15]: right, and (the first of two tops) wrong.
    true = np.array([0, 1, 1, 2, 2])
    by_hand = (2 * abs(0.91 - 1 / 2) + abs(0.5 - 1) + 2 * abs(0.39 - 1 / 2)) / 5
    assert expected_calibration_error(true, scores) == pytest.approx(by_hand)


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9])
def test_the_sets_are_mapies(coverage: float) -> None:
    popularity, logits = planted(101)
    tiers = TIERS["tiers-3"].of(popularity)
    oracle = SplitConformalClassifier(
        Given().fit(logits, tiers), confidence_level=coverage, conformity_score="lac", prefit=True
    )
    oracle.conformalize(logits, tiers)
    _, new = planted(200, seed=1)
    scores = softmax(new.astype(np.float64), axis=1)
    _, theirs = oracle.predict_set(new)
    expected = theirs[:, :, 0] | (np.arange(3) == scores.argmax(axis=1)[:, np.newaxis])
    found = calibrate(THREE, popularity, logits, temperature=False, coverage=coverage)
    np.testing.assert_array_equal(found.tier_sets(scores), expected)
    assert 1 < expected.sum(axis=1).mean() < 3


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9])
def test_the_intervals_are_mapies(coverage: float) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, 101)
    guess = np.clip(truth + rng.normal(0, 15, 101), 1, 99)
    oracle = SplitConformalRegressor(
        GivenNumber().fit(guess[:, np.newaxis], truth), confidence_level=coverage, prefit=True
    )
    oracle.conformalize(guess[:, np.newaxis], truth)
    new = rng.uniform(0, 100, 50)
    _, theirs = oracle.predict_interval(new[:, np.newaxis])
    task = TASKS["regression"]
    found = calibrate(task, truth, guess / 100, temperature=True, coverage=coverage)
    expected = np.clip(theirs[:, :, 0], 0, 100)
    # The guesses went through / 100 and * 100: a few units in float64's last place.
    np.testing.assert_allclose(found.intervals(new), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("task", ["tiers-3", "regression"])
def test_new_tracks_are_covered_as_often_as_stated(task: str) -> None:
    """Exchangeable tracks: the hits among new ones follow a beta-binomial distribution."""
    n, new, coverage = 199, 4000, 0.8
    rng = np.random.default_rng(3)
    if task == "tiers-3":
        popularity, outputs = planted(n + new, heat=2.0, seed=3)
    else:
        popularity = rng.uniform(0, 100, n + new)
        outputs = np.clip(popularity + rng.normal(0, 15, n + new), 0, 100)[:, np.newaxis] / 100
    found = calibrate(
        TASKS[task], popularity[:n], outputs[:n], temperature=False, coverage=coverage
    )
    prediction = TASKS[task].decode(outputs[n:])
    metrics = found.metrics(TASKS[task], popularity[n:], prediction)
    rank = math.ceil((n + 1) * coverage)
    hits = betabinom(new, rank, n + 1 - rank)
    low, high = hits.ppf([1e-4, 1 - 1e-4]) / new
    assert low <= metrics["coverage"] <= high
    on_own = found.metrics(TASKS[task], popularity[:n], TASKS[task].decode(outputs[:n]))
    assert on_own["coverage"] >= coverage


def test_the_rank_is_counted_in_decimals_and_too_few_tracks_give_everything() -> None:
    # In floating point 25 * 0.56 is 14.000000000000002, which would be rounded up to 15.
    assert conformal_threshold(np.arange(24.0), 0.56, largest=1) == 14 - 1
    popularity, logits = planted(8)
    found = calibrate(THREE, popularity, logits, temperature=False, coverage=0.9)
    assert found.tier_sets(softmax(logits, axis=1)).all()
    wide = calibrate(
        TASKS["regression"], popularity, logits[:, :1], temperature=False, coverage=0.9
    )
    assert wide.intervals(np.array([40.0])).tolist() == [[0, 100]]


def test_the_top_tier_is_always_in_the_set() -> None:
    sets = Calibration(coverage=0.5, threshold=0.3).tier_sets(np.array([[0.4, 0.35, 0.25]]))
    assert sets.tolist() == [[True, False, False]]
    metrics = Calibration(coverage=0.5, threshold=0.3).metrics(
        THREE, np.array([12.5, 50.0]), Prediction(np.zeros(2), np.array([[0.4, 0.35, 0.25]] * 2))
    )
    assert metrics == {"coverage": 0.5, "set_size": 1.0}


def test_a_calibration_round_trips_through_json() -> None:
    popularity, logits = planted(100, heat=3)
    found = calibrate(THREE, popularity, logits, temperature=True, coverage=0.9)
    assert from_plain(json.loads(json.dumps(found, default=to_plain)), Calibration, "it") == found
    assert from_plain({}, Calibration, "it") == Calibration()


@pytest.mark.parametrize(
    "spoiled",
    [
        '{"temperature": NaN}',
        '{"temperature": Infinity}',
        '{"ece_before": NaN}',
        '{"coverage": 0.9, "threshold": NaN}',
        '{"temperature": 0}',
        '{"temperature": "2"}',
        '{"temperature": true}',
        '{"kept": 1}',
        '{"ece_after": -0.1}',
        '{"coverage": 0.9}',
        '{"threshold": 0.5}',
        '{"coverage": 1, "threshold": 0.5}',
        '{"coverage": 0.9, "threshold": -1}',
        '{"tracks": -1}',
        '{"colour": 1}',
        "[1]",
    ],
)
def test_a_spoiled_calibration_is_refused(spoiled: str, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(spoiled)
    with pytest.raises(UserError, match=r"calibration\.json is damaged"):
        read_record(tmp_path / "calibration.json", Calibration, "a calibration")
