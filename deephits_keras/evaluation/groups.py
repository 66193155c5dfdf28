"""Metrics of groups of tracks, such as a decade or a language, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deephits_keras.types import FloatArray, IntArray

FEWEST = 20
"""Tracks of a group below which nothing is said of it."""

MOST_GROUPS = 25
"""Groups of one kind that are listed; the smallest others are counted."""

DRAWS = 1000
LEVEL = 0.95

AT_A_TIME = 2_000_000
"""Tracks that are drawn at a time."""

UNKNOWN = "unknown"
"""Label of tracks without a value."""


@dataclass(frozen=True)
class Interval:
    """A metric with its percentile bootstrap interval.

    Attributes:
        value: Of the group's tracks.
        low: Lower end of the interval that covers `LEVEL` of bootstrap samples of the tracks.
        high: Its upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupMetrics:
    """Metrics of one group.

    Attributes:
        group: Its label.
        tracks: Number of its tracks.
        metrics: By name; empty for fewer than `FEWEST` tracks.
    """

    group: str
    tracks: int
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Grouping:
    """Metrics of all groups of one kind.

    Attributes:
        groups: The largest, by size.
        others: Number of groups that aren't listed.
        other_tracks: Number of their tracks.
    """

    groups: tuple[GroupMetrics, ...]
    others: int = 0
    other_tracks: int = 0


@dataclass(frozen=True)
class Answers:
    """Predictions for some tracks, and the truth.

    Attributes:
        rows: `(n,)` rows of the corpus.
        popularity: `(n,)` true popularity, 0-100.
        predicted: `(n,)` predicted popularity, 0-100.
        true_tier: `(n,)` true tiers.
        tier: `(n,)` predicted tiers.
        classification: Whether metrics of tiers are wanted.
    """

    rows: IntArray
    popularity: FloatArray
    predicted: FloatArray
    true_tier: IntArray
    tier: IntArray
    classification: bool

    @classmethod
    def from_table(cls, table: pd.DataFrame, *, classification: bool) -> Answers:
        """From rows of a run's predictions."""
        return cls(
            table["row"].to_numpy(np.int64),
            table["popularity"].to_numpy(np.float64),
            table["predicted_popularity"].to_numpy(np.float64),
            table["true_tier"].to_numpy(np.int64),
            table["tier"].to_numpy(np.int64),
            classification,
        )


def grouped_metrics(
    answers: Answers, groupings: Mapping[str, pd.Series[str]]
) -> dict[str, Grouping]:
    """Metrics of each group, by kind of group.

    Of tiers `macro_f1` and `accuracy` (`evaluation.metrics.tier_metrics`), of popularity `mae` and
    `bias`, the mean of predicted minus true popularity.

    Args:
        answers: The predictions.
        groupings: Result of `corpus.groups.groupings`.
    """
    found = {}
    places = pd.Series(np.arange(len(answers.rows)), index=answers.rows)
    for name, labels in groupings.items():
        here = labels[labels.index.isin(answers.rows)]
        members = {str(label): places[list(of.index)] for label, of in here.groupby(here)}
        rest = places[~places.index.isin(here.index)]
        if not members:
            continue
        if len(rest):
            members[UNKNOWN] = rest
        order = sorted(members, key=lambda label: (label == UNKNOWN, -len(members[label]), label))
        listed, others = order[:MOST_GROUPS], order[MOST_GROUPS:]
        found[name] = Grouping(
            tuple(_of_group(answers, label, members[label].to_numpy()) for label in listed),
            len(others),
            sum(len(members[label]) for label in others),
        )
    return found


def _of_group(answers: Answers, label: str, places: IntArray) -> GroupMetrics:
    found = {} if len(places) < FEWEST else metrics_with_intervals(answers, places)
    return GroupMetrics(label, len(places), found)


def metrics_with_intervals(answers: Answers, places: IntArray | None = None) -> dict[str, Interval]:
    """The metrics of some tracks; see `grouped_metrics`.

    Args:
        answers: The predictions.
        places: Indices of the tracks among them; all by default.
    """
    places = np.arange(len(answers.rows)) if places is None else places
    rng = np.random.default_rng(0)
    errors = answers.predicted[places] - answers.popularity[places]
    metrics: dict[str, Interval] = {}
    if answers.classification:
        metrics |= _of_tiers(answers.true_tier[places], answers.tier[places], rng)
    return {**metrics, **_of_errors(errors, rng)}


def _interval(value: float, draws: FloatArray) -> Interval:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def _of_tiers(true: IntArray, said: IntArray, rng: np.random.Generator) -> dict[str, Interval]:
    """Macro-F1 and accuracy.

    They depend on the confusion matrix alone, and that of tracks drawn with replacement has a
    multinomial distribution: it is drawn instead of tracks.
    """
    size = int(max(true.max(), said.max())) + 1
    matrix = np.bincount(true * size + said, minlength=size**2)
    drawn = rng.multinomial(len(true), matrix / len(true), size=DRAWS)
    own, draws = (
        (_macro_f1(each), np.trace(each, axis1=1, axis2=2) / len(true))
        for each in (matrix.reshape(1, size, size), drawn.reshape(-1, size, size))
    )
    pairs = zip(("macro_f1", "accuracy"), own, draws, strict=True)
    return {name: _interval(value[0], values) for name, value, values in pairs}


def _macro_f1(matrices: IntArray) -> FloatArray:
    right = matrices.diagonal(axis1=1, axis2=2)
    total = matrices.sum(axis=1) + matrices.sum(axis=2)
    f1 = np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan)
    found: FloatArray = np.nanmean(f1, axis=1)
    return found


def _of_errors(errors: FloatArray, rng: np.random.Generator) -> dict[str, Interval]:
    both = np.stack([np.abs(errors), errors])
    rounds = max(AT_A_TIME // len(errors), 1)
    draws = [
        both[:, rng.integers(0, len(errors), (count, len(errors)))].mean(axis=2)
        for count in [rounds] * (DRAWS // rounds) + [DRAWS % rounds]
        if count
    ]
    pairs = zip(("mae", "bias"), both.mean(axis=1), np.concatenate(draws, axis=1), strict=True)
    return {name: _interval(value, values) for name, value, values in pairs}
