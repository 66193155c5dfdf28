"""Decoding of class scores on planted scores: the truth's own chances, so what is best is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.evaluation.decoding import fit_decoding
from deephits_keras.tasks import TASKS, Decoding
from deephits_keras.utils.records import from_plain, to_plain

THREE = TASKS["tiers-3"]
MIDDLES = np.array([12.5, 45.0, 82.5])
CENTRES = np.array([-2.0, 0.0, 2.0])
RARE = np.array([0.9, 0.07, 0.03])

Array = np.ndarray[Any, Any]


def planted(n: int, shares: Array, seed: int) -> tuple[Array, Array, Array]:
    """A clue, normal around the tier's centre; the tier; and logits that are its true chances."""
    rng = np.random.default_rng(seed)
    tiers = rng.choice(3, n, p=shares)
    clue = rng.normal(CENTRES[tiers], 1.0)
    return clue, tiers, np.log(shares) - (clue[:, None] - CENTRES) ** 2 / 2


def macro_f1(tiers: Array, decoding: Decoding, logits: Array) -> float:
    said = decoding.tiers(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return float(f1_score(tiers, said, average="macro"))


def fitted(rule: str, shares: Array, n: int = 3000) -> Decoding:
    _, tiers, logits = planted(n, shares, seed=0)
    trained = MIDDLES[planted(3 * n, shares, seed=1)[1]]
    return fit_decoding(rule, THREE, logits, MIDDLES[tiers], trained)


def test_rare_tiers_are_favoured_as_far_as_macro_f1_of_other_tracks_rises() -> None:
    found = fitted("macro-f1", RARE)
    _, tiers, logits = planted(30_000, RARE, seed=2)
    best = max(
        macro_f1(tiers, Decoding("macro-f1", a / 20, tuple(RARE)), logits) for a in range(25)
    )
    likeliest = macro_f1(tiers, Decoding(), logits)
    assert best - likeliest > 0.02
    assert macro_f1(tiers, found, logits) > likeliest + 0.6 * (best - likeliest)
    assert 0 < found.alpha < 1
    assert found.decoded_f1 is not None
    assert found.likeliest_f1 == pytest.approx(likeliest, abs=0.03)
    assert found.decoded_f1 == pytest.approx(macro_f1(tiers, found, logits), abs=0.03)


@pytest.mark.parametrize("confidence", [0.5, 1.0, 3.0])
def test_a_hundred_tracks_suffice_however_confident_the_scores_are(confidence: float) -> None:
    _, tiers, logits = planted(30_000, RARE, seed=2)
    likeliest = macro_f1(tiers, Decoding(), logits)
    best = max(
        macro_f1(tiers, Decoding("macro-f1", a / 20, tuple(RARE)), logits) for a in range(25)
    )
    gains = []
    for seed in range(20):
        _, few, known = planted(100, RARE, seed=100 + seed)
        trained = MIDDLES[planted(300, RARE, seed=seed)[1]]
        found = fit_decoding("macro-f1", THREE, confidence * known, MIDDLES[few], trained)
        gains.append(macro_f1(tiers, found, confidence * logits) - likeliest)
    # By the macro-F1 of the tracks themselves it was a fifth.
    assert np.mean(gains) > 0.6 * (best - likeliest)


def test_nothing_is_favoured_where_all_tiers_are_equally_frequent() -> None:
    found = fitted("macro-f1", np.full(3, 1 / 3))
    scores = np.random.default_rng(0).dirichlet(np.ones(3), 2000)
    assert (found.tiers(scores) != Decoding().tiers(scores)).mean() < 0.02


def test_a_few_lucky_tracks_do_not_move_it() -> None:
    """Scores that know nothing: no exponent is better, whatever a handful of tracks says."""
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(10):
        logits = np.log(RARE) + rng.normal(0, 0.01, (60, 3))
        found = fit_decoding(
            "macro-f1", THREE, logits, MIDDLES[[0] * 55 + [1] * 4 + [2]], MIDDLES[[0, 0, 1, 2]]
        )
        moved += found.alpha > 0.6
    assert moved <= 2


def test_at_exponent_one_scores_count_as_if_all_tiers_were_equally_frequent() -> None:
    """Then the nearest centre is the tier: the limits are halfway, at -1 and 1."""
    clue, _, logits = planted(2000, RARE, seed=3)
    scores = THREE.decode(logits).scores
    assert scores is not None
    said = Decoding("macro-f1", 1.0, tuple(RARE)).tiers(scores)
    np.testing.assert_array_equal(said, np.digitize(clue, [-1.0, 1.0]))
    assert (Decoding().tiers(scores) != said).mean() > 0.05


def test_the_least_expected_distance_is_that_of_every_tier_tried() -> None:
    scores = np.random.default_rng(0).dirichlet(np.full(10, 0.4), 500)
    distance = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    said = Decoding("distance").tiers(scores)
    np.testing.assert_array_equal(said, (scores @ distance).argmin(axis=1))
    assert (said != scores.argmax(axis=1)).any()


def test_a_tier_without_training_tracks_has_a_share() -> None:
    _, tiers, logits = planted(300, RARE, seed=0)
    found = fit_decoding("macro-f1", THREE, logits, MIDDLES[tiers], np.full(97, 12.5))
    assert found.shares == pytest.approx((0.98, 0.01, 0.01))


@pytest.mark.parametrize("rule", ["likeliest", "macro-f1", "distance"])
def test_a_regression_is_not_decoded(rule: str) -> None:
    popularity = np.linspace(0, 100, 50)
    found = fit_decoding(
        rule, TASKS["regression"], popularity[:, None] / 100, popularity, popularity
    )
    assert found == Decoding()


def test_it_goes_through_plain_values_and_older_calibrations_have_none() -> None:
    calibration = Calibration(tracks=3000, decoding=fitted("macro-f1", RARE))
    plain = to_plain(calibration)
    assert from_plain(plain, Calibration, "it") == calibration
    del plain["decoding"]
    assert from_plain(plain, Calibration, "it").decoding == Decoding()


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "best"},
        {"rule": "macro-f1", "alpha": -1.0, "shares": (0.5, 0.5)},
        {"rule": "macro-f1", "alpha": float("nan"), "shares": (0.5, 0.5)},
        {"rule": "macro-f1", "alpha": 0.5},
        {"rule": "macro-f1", "alpha": 0.5, "shares": (1.0, 0.0)},
    ],
)
def test_impossible_decodings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Received|shares"):
        Decoding(**wrong)


def test_a_tier_without_training_tracks_is_not_favoured() -> None:
    """Its share is small, so that any exponent lifts the little score that it has."""
    rng = np.random.default_rng(0)
    shares = np.array([1e-9, 0.8, 0.2])
    _, tiers, logits = planted(150, shares / shares.sum(), seed=0)
    logits[:, 0] = logits.max(axis=1) + np.log(0.03) + rng.normal(0, 0.5, 150)
    found = fit_decoding("macro-f1", THREE, logits, MIDDLES[tiers], MIDDLES[tiers])
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert (found.tiers(scores) == 0).sum() == 0
    assert found.alpha > 0
