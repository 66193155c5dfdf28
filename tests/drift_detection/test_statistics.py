"""Planted drift is found, and without drift reports are silent at their rate, over many seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import binom

from deephits_keras.drift_detection.comparisons import (
    Comparison,
    compare_field,
    compare_tiers,
    comparison_of,
    decide,
)
from deephits_keras.drift_detection.metrics import Answers, metric_changes
from deephits_keras.drift_detection.statistics import (
    compare_categories,
    compare_counts,
    compare_numbers,
    compare_shares,
    holm,
    tell_apart,
)
from deephits_keras.features.tables import pooled
from deephits_keras.tasks import get_task

SILENT, PLANTED = 100, 60
"""Reports without and with drift."""

TIERS = get_task("tiers-3").tiers


def found(each: Comparison | str) -> Comparison:
    assert isinstance(each, Comparison), each
    return each


def report(rng: np.random.Generator, *, drift: bool) -> list[Comparison]:
    """The tests of 120 and 90 tracks, before the level."""
    fields, features, popularity = [], [], []
    for tracks, moved in ((120, 0), (90, int(drift))):
        tempo = rng.normal(120 + 25 * moved, 25, tracks)
        rounded = rng.integers(0, 40, tracks).astype(float)
        rounded[rng.random(tracks) < 0.1 + 0.4 * moved] = np.nan
        languages = rng.choice(["en", "es", "fr"], tracks, p=[0.6, 0.25, 0.15])
        languages[rng.random(tracks) < 0.5 * moved] = "fr"
        fields.append({"tempo": tempo, "plays": rounded, "language": languages})
        features.append(rng.normal(0.7 * moved, 1, (tracks, 5)))
        popularity.append(np.clip(rng.normal(45 + 15 * moved, 15, tracks), 0, 100))
    comparisons = [
        found(each)
        for name in fields[0]
        for each in compare_field(name, *(pd.Series(of[name]) for of in fields))
    ]
    told = tell_apart(features[0], features[1], seed=int(rng.integers(1000)))
    comparisons.append(comparison_of("mel", "features", told, (120, 90), ("", "")))
    comparisons.append(found(compare_tiers(popularity[0], popularity[1], TIERS)))
    return comparisons


def test_without_drift_a_report_is_silent_at_its_rate() -> None:
    reports = [report(np.random.default_rng(seed), drift=False) for seed in range(SILENT)]
    for level, most in ((0.05, 11), (0.2, 32)):
        alarms = sum(any(each.drift for each in decide(one, level)) for one in reports)
        # Three standard deviations above the level; a report that never alarms is no test.
        assert 0 < alarms <= most, level
    for place, each in enumerate(reports[0]):
        share = np.mean([one[place].p_value <= 0.05 for one in reports])
        assert share <= 0.1, each.name


def test_planted_drift_is_found_where_it_is() -> None:
    hits: dict[tuple[str, str], int] = {}
    for seed in range(PLANTED):
        for each in decide(report(np.random.default_rng(1000 + seed), drift=True), 0.05):
            hits[each.name, each.of] = hits.get((each.name, each.of), 0) + each.drift
    assert hits.pop(("plays", "values")) <= 8
    assert set(hits) == {
        ("tempo", "values"),
        ("plays", "unknown"),
        ("language", "values"),
        ("mel", "features"),
        ("popularity", "popularity"),
    }
    assert min(hits.values()) >= 0.95 * PLANTED, hits


def test_p_values_of_low_counts_are_those_of_all_tables() -> None:
    table = np.array([[3, 0, 4], [1, 5, 0]])
    expected = stats.contingency.expected_freq(table)
    every = [
        np.array([[a, b, 7 - a - b], [4 - a, 5 - b, a + b - 3]])
        for a in range(5)
        for b in range(6)
        if 3 <= a + b <= 7
    ]
    chances = stats.random_table([7, 6], [4, 5, 4]).pmf(every)
    reached = [((each - expected) ** 2 / expected).sum() for each in every]
    least = ((table - expected) ** 2 / expected).sum() - 1e-9
    exact = sum(p for p, value in zip(chances, reached, strict=True) if value >= least)
    assert chances.sum() == pytest.approx(1)
    assert compare_counts(table).p_value == pytest.approx(exact, abs=0.01)
    assert compare_counts(np.array([[5, 0], [5, 0]])).p_value == 1
    assert compare_shares((0, 50), (25, 50)).p_value < 1e-6


def test_new_categories_are_found_however_rare_they_were() -> None:
    result = compare_categories(["en"] * 900 + ["es"] * 100, ["ja"] * 25)
    assert result.effect == pytest.approx(1)
    assert result.p_value <= 1e-3
    names = [f"artist {n}" for n in range(2000)]
    assert compare_categories(names[:1000], names[1000:]).p_value == 1


def test_ties_alone_are_no_drift() -> None:
    same = np.repeat(np.arange(30.0), 5)
    assert compare_numbers(same, same).p_value == 1
    [told] = compare_field("mode", pd.Series([0.0, 1.0] * 30), pd.Series([1.0, 0.0] * 30))
    assert (found(told).test, found(told).p_value) == ("Fisher", 1)


def test_a_classifier_finds_other_spreads_and_copes_with_unknown_values() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=(150, 6)), 2.5 * rng.normal(size=(150, 6))
    first[:, 5] = np.nan
    second[::2, 4] = np.nan
    assert tell_apart(first, second).p_value < 1e-3
    assert tell_apart(np.ones((50, 3)), np.ones((50, 3))).p_value == 1


def test_few_tracks_tell_nothing() -> None:
    [told] = compare_field("tempo", pd.Series(np.arange(100.0)), pd.Series(np.arange(19.0)))
    assert told == "tempo: fewer than 20 tracks, from which nothing can be told"
    values = pd.Series([None] * 90 + [1.0] * 10, dtype=float)
    unknown, few = compare_field("tempo", pd.Series(np.arange(100.0)), values)
    assert found(unknown).of == "unknown"
    assert isinstance(few, str)
    nothing = np.full(100, np.nan)
    assert isinstance(compare_tiers(nothing, np.arange(100.0), TIERS), str)


def test_worse_metrics_are_told_from_chance() -> None:
    task, rng = get_task("regression"), np.random.default_rng(2)

    def answers(tracks: int, error: float) -> Answers:
        popularity = rng.uniform(0, 100, tracks)
        predicted = popularity + rng.normal(0, error, tracks)
        tiers = [TIERS.of(each) for each in (popularity, predicted)]
        return Answers(popularity, predicted, *tiers)

    before = answers(150, 10)
    alike = [metric_changes(task, answers(150, 10), answers(150, 10), level=0.1) for _ in range(6)]
    for name in alike[0]:
        misses = sum(not each[name].low < 0 < each[name].high for each in alike)
        # More than chance misses in one test of a thousand.
        assert misses <= binom.isf(1e-3, 6, 0.1), name
    worse = metric_changes(task, before, answers(150, 30), level=0.05)
    assert worse["mae"].low > 0 > worse["spearman"].high
    assert metric_changes(task, before, answers(19, 10), level=0.05) == {}


def test_holm_is_the_step_down_of_his_paper() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_features_of_any_shape_become_a_table() -> None:
    rng = np.random.default_rng(0)
    assert pooled(rng.normal(size=(4, 8, 90))).shape == (4, 16)
    assert pooled(rng.normal(size=(4, 3, 8, 90))).shape[0] == 4
    tokens = pooled(np.array([[1, 1, 2, 0]], np.int32))
    assert tokens[0, :3].tolist() == [0.25, 0.5, 0.25]
