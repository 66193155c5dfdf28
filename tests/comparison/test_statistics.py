"""Ranks, the control's verdict, and what a corpus tells of twins and superstars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.comparison.control import ShuffledCorpus
from deephits_keras.comparison.leaderboard import board
from deephits_keras.comparison.statistics import leak_p_value, rank
from deephits_keras.corpus import Corpus, Split, import_table
from deephits_keras.corpus.superstars import superstars
from deephits_keras.corpus.twins import twin_groups, without_twins
from deephits_keras.errors import UserError
from deephits_keras.evaluation.metrics import ranking_metrics
from deephits_keras.tasks import get_task


def test_a_recipe_that_is_always_ahead_is_told_from_the_last() -> None:
    ahead = {name: [-base + 0.01 * k for k in range(8)] for base, name in enumerate("abcd")}
    found = rank(ahead)
    assert found.ranks == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert found.p_value is not None
    assert found.p_value < 0.001
    # Demsar (2006): q = 2.569 for four at 0.05; 2.569 sqrt(4 * 5 / (6 * 8)).
    assert found.critical_difference == pytest.approx(1.658, abs=0.002)


def test_recipes_that_are_alike_are_not_told_apart() -> None:
    assert rank({name: [0.5] * 6 for name in "abc"}).p_value == 1.0
    assert rank({"a": [1.0], "b": [2.0], "c": [3.0]}).critical_difference is None


def test_a_control_at_chance_is_no_leak() -> None:
    rng = np.random.default_rng(0)
    chance = [float(np.corrcoef(rng.random(500), rng.random(500))[0, 1]) for _ in range(5)]
    assert leak_p_value(chance, [500] * 5) > 0.01
    assert leak_p_value([0.3] * 2, [500] * 2) < 1e-6
    assert leak_p_value([], []) == 1.0


def test_one_small_p_value_among_many_controls_may_be_chance() -> None:
    def row(recipe: str, rho: float, *, control: bool) -> dict[str, Any]:
        metrics = {"tiers-3": {"macro_f1": 0.5}, "ranking": {"spearman": rho}}
        told = {"recipe": recipe, "control": control, "metrics": metrics, "tracks": 101}
        return {**told, "seed": 0, "seconds": 1.0, "parameters": None, "modalities": ""}

    def leaks(rho: float, others: int) -> bool:
        names = {"suspect": rho} | {f"other {k}": 0.0 for k in range(others)}
        rows = [row(name, own, control=c) for name, own in names.items() for c in (False, True)]
        rows = [{**r, "task": "tiers-3", "protocol": "random"} for r in rows]
        return any(line.leaks for line in board(rows, "tiers-3", "random").lines)

    # On 101 tracks a standard deviation is 0.1: 3.2 of them are one in 1,500.
    assert leaks(0.32, others=0)
    assert not leaks(0.32, others=30)
    assert leaks(0.6, others=30)


def test_hit_lists() -> None:
    truth = np.arange(10.0)
    best = ranking_metrics(truth, truth**2, tops=(3,))
    assert set(best) == {"spearman", "kendall", "recall_at_3", "ndcg_at_3"}
    assert list(best.values()) == pytest.approx([1.0] * 4)
    worst = ranking_metrics(truth, -truth, tops=(3, 10))
    assert worst["recall_at_3"] == 0
    assert worst["recall_at_10"] is None
    # All alike: any three of ten, of which 0.9 are right on average.
    same = ranking_metrics(truth, np.ones(10), tops=(3,))
    assert same["spearman"] is None
    assert same["recall_at_3"] == pytest.approx(0.3)


def test_hits_have_any_threshold() -> None:
    task = get_task("hit-72.5")
    assert task.targets(np.array([72.4, 72.5])).tolist() == [0, 1]
    for name in ("hit-", "hit-0", "hit-100", "hit-loud"):
        with pytest.raises(UserError, match="between 0 and 100"):
            get_task(name)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    songs = pd.DataFrame(
        {
            "track_id": [f"t{k}" for k in range(8)],
            "name": ["One", " one ", "Two", "Three", "Four", "Five", "Six", "Seven"],
            "artist_name": ["A", "a", "A", "A", "B", "B", "C", "A"],
            "release_year": [2000, 2000, 2003, 2010, 2001, 2002, 2003, 2001],
            "popularity": [90, 90, 10, 20, 80, 30, 40, 50],
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    return Corpus.open(tmp_path / "corpus")


def test_a_song_under_two_ids_is_not_on_both_sides(corpus: Corpus) -> None:
    groups = twin_groups(corpus)
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == 7
    parts = {"train": [0, 2, 3], "validation": [4, 5], "test": [1, 6, 7]}
    split = Split("random", 0, {name: np.array(rows) for name, rows in parts.items()})
    kept = without_twins(split, groups)
    assert {name: rows.tolist() for name, rows in kept.parts.items()} == parts | {"train": [2, 3]}
    with pytest.raises(UserError, match="under another id"):
        without_twins(Split("x", 0, {"train": np.array([0]), "test": np.array([1])}), groups)


def test_recordings_with_equal_bytes_are_twins(corpus: Corpus, tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for name, content in (("t2", b"one"), ("t6", b"one"), ("t7", b"two")):
        (recordings / f"{name}.wav").write_bytes(content)
    import_table(tmp_path / "songs.csv", tmp_path / "heard", audio=recordings)
    groups = twin_groups(Corpus.open(tmp_path / "heard"))
    assert groups[2] == groups[6] != groups[7]


def test_a_superstar_had_a_training_hit_in_an_earlier_year(corpus: Corpus) -> None:
    everything = np.arange(8)
    found = superstars(corpus, everything, hit=65, years=5)
    # A's hit of 2000: not in its own year, in 2001 and 2003, and no longer in 2010.
    assert found.tolist() == [0, 0, 1, 0, 0, 1, 0, 1]
    # A held-out hit tells nothing.
    assert superstars(corpus, everything[2:], hit=65, years=5).tolist() == [0, 0, 0, 0, 0, 1, 0, 0]


def test_the_control_deals_the_popularity_out_anew(corpus: Corpus) -> None:
    shuffled = ShuffledCorpus(corpus.folder, seed=3)
    assert sorted(shuffled.popularity) == sorted(corpus.popularity)
    assert list(shuffled.popularity) != list(corpus.popularity)
    assert list(shuffled.column("popularity")) == list(shuffled.popularity)
    assert shuffled.track_ids == corpus.track_ids
