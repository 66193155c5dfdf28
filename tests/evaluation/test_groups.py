"""Metrics of groups: those of their tracks, with intervals that cover what they state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from deephits_keras.corpus import import_table
from deephits_keras.corpus.groups import groupings
from deephits_keras.errors import UserError
from deephits_keras.evaluation.groups import (
    DRAWS,
    FEWEST,
    MOST_GROUPS,
    Answers,
    grouped_metrics,
)


def answers(seed: int, tracks: int, right: float = 0.7, **options: Any) -> Answers:
    """Tiers of which a fraction is right, and popularity that is 5 too high."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, 3, tracks)
    said = np.where(draw.random(tracks) < right, true, (true + 1) % 3)
    popularity = draw.uniform(0, 90, tracks)
    predicted = popularity + 5 + draw.normal(0, 3, tracks)
    rows = np.arange(tracks) * 2
    return Answers(rows, popularity, predicted, true, said, options.get("classification", True))


def labelled(found: Answers, labels: list[str]) -> pd.Series:
    return pd.Series(labels, index=found.rows, dtype="string")


def test_a_group_has_the_metrics_of_its_tracks() -> None:
    found = answers(0, 300)
    labels = labelled(found, ["en"] * 200 + ["es"] * 90 + ["de"] * 10)
    grouping = grouped_metrics(found, {"language": labels})["language"]
    assert [(g.group, g.tracks) for g in grouping.groups] == [("en", 200), ("es", 90), ("de", 10)]
    assert grouping.groups[2].metrics == {}
    here = slice(200, 290)
    of = grouping.groups[1].metrics
    true, said = found.true_tier[here], found.tier[here]
    assert of["accuracy"].value == pytest.approx((true == said).mean())
    assert of["macro_f1"].value == pytest.approx(metrics.f1_score(true, said, average="macro"))
    errors = found.predicted[here] - found.popularity[here]
    assert of["mae"].value == pytest.approx(np.abs(errors).mean())
    assert of["bias"].value == pytest.approx(errors.mean())
    assert all(each.low <= each.value <= each.high for each in of.values())
    assert set(
        grouped_metrics(answers(0, 30, classification=False), {"all": labels})["all"]
        .groups[0]
        .metrics
    ) == {"mae", "bias"}


def test_intervals_are_those_of_resampled_tracks() -> None:
    """Of tiers a confusion matrix is drawn, of errors the tracks."""
    found = answers(1, 80)
    of = grouped_metrics(found, {"all": labelled(found, ["x"] * 80)})["all"].groups[0].metrics
    draw = np.random.default_rng(5)
    drawn: dict[str, list[float]] = {name: [] for name in of}
    for _ in range(DRAWS):
        rows = draw.integers(0, 80, 80)
        true, said = found.true_tier[rows], found.tier[rows]
        errors = found.predicted[rows] - found.popularity[rows]
        drawn["accuracy"].append(float((true == said).mean()))
        drawn["macro_f1"].append(float(metrics.f1_score(true, said, average="macro")))
        drawn["mae"].append(float(np.abs(errors).mean()))
        drawn["bias"].append(float(errors.mean()))
    for name, interval in of.items():
        low, high = np.quantile(drawn[name], [0.025, 0.975])
        width = high - low
        assert abs(interval.low - low) < 0.15 * width, name
        assert abs(interval.high - high) < 0.15 * width, name


def test_intervals_cover_the_truth() -> None:
    covered = 0
    for seed in range(200):
        found = answers(seed, 60)
        group = grouped_metrics(found, {"all": labelled(found, ["x"] * 60)})["all"].groups[0]
        covered += group.metrics["accuracy"].low <= 0.7 <= group.metrics["accuracy"].high
    # A percentile bootstrap of 60 tracks covers a little less than it states.
    assert 0.88 <= covered / 200 <= 0.99


def test_tracks_may_be_in_several_groups_and_in_none() -> None:
    found = answers(2, 100)
    labels = pd.Series(
        ["pop"] * 60 + ["rock"] * 60,
        index=[*found.rows[:60], *found.rows[20:80]],
        dtype="string",
    )
    grouping = grouped_metrics(found, {"genre": labels})["genre"]
    assert [(g.group, g.tracks) for g in grouping.groups] == [
        ("pop", 60),
        ("rock", 60),
        ("unknown", 20),
    ]
    # Another corpus' rows, or another part's, count nowhere.
    elsewhere = labels.set_axis(labels.index + 1)
    assert grouped_metrics(found, {"genre": elsewhere}) == {}


def test_small_groups_are_counted() -> None:
    found = answers(3, 400)
    labels = labelled(found, [f"g{n % 40:02}" for n in range(400)])
    grouping = grouped_metrics(found, {"genre": labels})["genre"]
    assert len(grouping.groups) == MOST_GROUPS
    assert (grouping.others, grouping.other_tracks) == (15, 150)
    assert all(group.tracks < FEWEST and not group.metrics for group in grouping.groups)


def test_a_corpus_tells_its_groups(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "track_id": list("abcd"),
            "popularity": range(4),
            "release_date": ["1999-05", "2001", None, "2009-01-01"],
            "genre": [["pop", "rock"], ["pop"], None, []],
            "language": ["en", "en", "es", None],
            "label": ["x", "y", "x", None],
            "mode": [1.0, 0.0, None, 1.0],
        }
    ).to_parquet(tmp_path / "songs.parquet")
    corpus = import_table(tmp_path / "songs.parquet", tmp_path / "corpus").corpus
    found = groupings(corpus, ("label", "mode"))
    told = {name: list(zip(of.index, of, strict=True)) for name, of in found.items()}
    assert told["decade"] == [(0, "1990s"), (1, "2000s"), (3, "2000s")]
    assert told["language"] == [(0, "en"), (1, "en"), (2, "es")]
    assert told["label"] == [(0, "x"), (1, "y"), (2, "x")]
    assert told["mode"] == [(0, "1"), (1, "0"), (3, "1")]
    assert told["genre"][:3] == [(0, "pop"), (0, "rock"), (1, "pop")]
    with pytest.raises(UserError, match=r"to group by \(did you mean mode\?\)\. It has"):
        groupings(corpus, ("mood",))
