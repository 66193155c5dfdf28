"""Paired tests: against textbook values, against scikit-learn, and on planted differences."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from deephits_keras.reproduction.comparisons import (
    Comparison,
    bootstrap_difference,
    compare,
    macro_f1,
    mcnemar,
)
from deephits_keras.reproduction.deep import Row
from deephits_keras.reproduction.results import comparison_table
from deephits_keras.tasks import TIERS


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


A_RUN = Path(__file__).parents[1] / "golden" / "run_of_0_1_0" / "run"


def run_folder(folder: Path, task: str, tier: list[int], popularity: list[float]) -> Row:
    """What a run leaves of its held-out tracks, as far as comparisons read it."""
    folder.mkdir()
    predicted = [5.0 + 10 * t for t in tier]
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(len(tier))],
            "row": range(len(tier)),
            "part": "test",
            "popularity": popularity,
            "predicted_popularity": predicted,
            "true_tier": TIERS["tiers-10"].of(np.array(popularity)),
            "tier": tier,
        }
    ).to_parquet(folder / "predictions.parquet")
    config = json.loads((A_RUN / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "task": task}))
    return Row("holdout", task, "all features", 0, "test", 1, 1, {}, {}, folder)


def test_runs_are_compared_on_the_tracks_that_both_report(tmp_path: Path) -> None:
    popularity = [5.0, 15, 25, 35, 45, 55]
    good = run_folder(tmp_path / "good", "tiers-10", [0, 1, 2, 3, 4, 0], popularity)
    bad = run_folder(tmp_path / "bad", "regression", [0, 1, 0, 0, 0, 5], popularity)
    found = compare(bad, good, TIERS["tiers-10"])
    assert (found.only_model, found.only_reference, found.tracks) == (1, 3, 6)
    # Of four discordant tracks three or more on one side: 2 * (4 + 1) / 16.
    assert found.mcnemar_p == pytest.approx(0.625)
    assert found.accuracy_difference == pytest.approx(-2 / 6)
    # By three tiers the popularities 5, 15, 5, 5, 5 and 55 count: tier 1 is found once in four.
    by_three = compare(bad, good, TIERS["tiers-3"])
    assert (by_three.only_model, by_three.only_reference) == (1, 3)


def test_runs_of_different_tracks_are_not_compared(tmp_path: Path) -> None:
    six = run_folder(tmp_path / "six", "tiers-10", [0] * 6, [5.0] * 6)
    five = run_folder(tmp_path / "five", "tiers-10", [0] * 5, [5.0] * 5)
    with pytest.raises(ValueError, match="different tracks"):
        compare(six, five, TIERS["tiers-10"])


def test_the_table_counts_the_seeds_that_agree(tmp_path: Path) -> None:
    def of_seed(seed: int, p: float, low: float, high: float) -> Comparison:
        reference, model = "tiers-10, all features", "tiers-10, without lyrics"
        return Comparison(
            "paper", "tiers-10", model, reference, seed, 9, 0, 0, p, -0.02, -0.03, low, high
        )

    table = comparison_table([of_seed(0, 0.01, -0.05, -0.01), of_seed(1, 0.2, -0.06, 0.02)])
    assert table is not None
    (line,) = table.lines
    assert line.name == "tiers-10: without lyrics against all features"
    assert [v.value for v in line.values if v] == pytest.approx([-2, 0.2, 1, -3, 1])
    gain = line.values[3]
    assert gain is not None
    assert (gain.low, gain.high) == (pytest.approx(-6), pytest.approx(2))
