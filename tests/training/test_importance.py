"""Weights of training tracks: near 1 without a shift, and useful to a model that is too simple."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from deephits_keras.corpus import Corpus, Split, import_table
from deephits_keras.runs.run import Run
from deephits_keras.training.importance import LARGEST, effective, importance_weights
from deephits_keras.training.series import compare_adaptation
from deephits_keras.training.workflow import plan_training


@pytest.mark.parametrize("seed", range(5))
def test_without_a_shift_all_tracks_count_about_alike(seed: int) -> None:
    draw = np.random.default_rng(seed)
    old, new = draw.normal(size=(600, 8)), draw.normal(size=(300, 8))
    old[draw.random(old.shape) < 0.1] = np.nan
    new[draw.random(new.shape) < 0.1] = np.nan
    weights = importance_weights(old, new, seed=seed)
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert effective(weights) > 0.9 * len(old)


def test_weights_are_the_ratio_of_the_densities() -> None:
    draw = np.random.default_rng(0)
    old, new = draw.normal(0, 1, (8_000, 1)), draw.normal(0.7, 1, (8_000, 1))
    weights = importance_weights(old, new)
    true = np.exp(0.7 * old[:, 0] - 0.7**2 / 2)
    inside = np.abs(old[:, 0]) < 2
    assert np.abs(np.log(weights / true))[inside].max() < 0.25
    assert weights.max() / weights.min() <= LARGEST**2 * 1.01


def test_tracks_that_can_be_told_apart_for_certain_have_bounded_weights() -> None:
    draw = np.random.default_rng(0)
    old = draw.uniform(0, 1, (400, 1))
    weights = importance_weights(old, draw.uniform(2, 3, (400, 1)))
    assert np.isfinite(weights).all()
    assert weights[old[:, 0] > 0.9].mean() > weights[old[:, 0] < 0.1].mean()
    assert effective(weights) > 20


def test_planted_a_model_that_is_too_simple_is_better_where_the_weights_are() -> None:
    """The truth is a parabola and the model a line: it fits one branch or the other."""
    draw = np.random.default_rng(0)
    old, new = draw.normal(-0.5, 1, (2_000, 1)), draw.normal(1.5, 0.5, (2_000, 1))
    noise = draw.normal(0, 0.1, (2, 2_000))
    target, truth = old[:, 0] ** 2 + noise[0], new[:, 0] ** 2 + noise[1]
    weights = importance_weights(old, new)
    plain, weighted = (
        np.mean((LinearRegression().fit(old, target, w).predict(new) - truth) ** 2)
        for w in (None, weights)
    )
    assert weighted < plain / 4


def bent(folder: Path) -> Corpus:
    """Popularity is a parabola of energy, which rises from year to year."""
    draw = np.random.default_rng(0)
    count = 600
    year = np.sort(draw.integers(1990, 2020, count))
    energy = np.clip((year - 1990) / 30 + draw.normal(0, 0.15, count), 0, 1)
    popularity = 100 * (2 * energy - 1) ** 2
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(count)],
            "popularity": popularity.round(1),
            "energy": energy,
            "release_year": year,
        }
    ).to_csv(folder / "songs.csv", index=False)
    return import_table(folder / "songs.csv", folder / "corpus").corpus


def test_a_training_is_weighted_told_and_kept(tmp_path: Path, deephits: Callable[..., Any]) -> None:
    corpus = bent(tmp_path)
    rows = compare_adaptation(
        corpus,
        tmp_path / "out",
        origins=[2005, 2013],
        horizon=7,
        weighted=True,
        training={"epochs": 2, "batch_size": 64},
        modalities="meta=numeric",
        settings={"numeric": {"columns": ("energy",), "units": 4}},
        task="regression",
    )
    assert [row.way for row in rows] == ["nothing", "anew", "further", "weighted"] * 2
    run = Run(tmp_path / "out" / "weighted-2013")
    weights = run.split.weights
    assert weights is not None
    energy = corpus.column("energy").to_numpy()[run.split.parts["train"]]
    assert np.corrcoef(weights, energy)[0, 1] > 0.5
    record = run.config.split["weights"]
    assert record["for"] == "test"
    assert record["effective_tracks"] == pytest.approx(effective(weights), abs=0.1)
    page = " ".join((run.folder / "report.html").read_text().split())
    assert f"count as much as {round(effective(weights))} equal ones" in page
    # Popularity of the test tracks changes no weight.
    songs = pd.read_csv(tmp_path / "songs.csv")
    later = songs["release_year"] >= 2013
    songs.loc[later, "popularity"] = 100 - songs.loc[later, "popularity"]
    songs.to_csv(tmp_path / "other.csv", index=False)
    import_table(tmp_path / "other.csv", tmp_path / "other")
    words = ["train", tmp_path / "other", tmp_path / "run", "--modalities", "meta=numeric"]
    words += ["--numeric-columns", "energy", "--task", "regression", "--epochs", "1"]
    words += ["--split", "rolling", "--origin", "2013", "--horizon", "7"]
    told = deephits(*words, "--weights-for", "test")
    assert told.code == 0, told.err
    np.testing.assert_array_equal(Run(tmp_path / "run").split.weights, weights)
    assert "weighted for test, the" in told.err
    # For another corpus of the same songs, all alike, the weights are not those for the latest.
    options: dict[str, Any] = {
        "modalities": "meta=numeric",
        "settings": {"numeric": {"columns": ("energy",)}},
    }
    plan = plan_training(
        corpus, tmp_path / "for", task="regression", weights_for=tmp_path / "other", **options
    )
    even = plan.begin(jobs=1)
    assert even.config.split["weights"]["for"] == str((tmp_path / "other").resolve())
    assert even.split.weights is not None
    assert effective(even.split.weights) > 0.95 * len(even.split.weights)
    none = deephits(*words[:-6], "--weights-for", "test")
    assert none.code == 2


def test_the_split_keeps_weights_in_its_file(tmp_path: Path) -> None:
    corpus = bent(tmp_path)
    parts = {"train": np.array([3, 4, 9]), "validation": np.array([0, 5])}
    weights = np.array([0.5, 2, 0.25], np.float32)
    Split("random", 0, parts, weights=weights).to_parquet(tmp_path / "split.parquet", corpus)
    np.testing.assert_array_equal(Split.from_parquet(tmp_path / "split.parquet").weights, weights)
    Split("random", 0, parts).to_parquet(tmp_path / "plain.parquet", corpus)
    assert Split.from_parquet(tmp_path / "plain.parquet").weights is None
    assert "weight" not in pd.read_parquet(tmp_path / "plain.parquet")
