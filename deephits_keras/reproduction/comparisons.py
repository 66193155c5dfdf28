"""Significance of differences: paired tests of two models on the same held-out tracks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from deephits_keras.reproduction.deep import Row
from deephits_keras.reproduction.variants import ALL_FEATURES
from deephits_keras.runs.run import Run
from deephits_keras.tasks import TIERS, Tiers, get_task
from deephits_keras.types import IntArray

RESAMPLES = 999
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """Comparison of two models of the same protocol and seed, on the same tracks.

    Attributes:
        protocol: Their protocol.
        tiers: Tiers of the comparison.
        model: Task and variant of the first model.
        reference: Task and variant of the second model.
        seed: Their seed.
        tracks: Number of held-out tracks.
        only_model: Tracks that only the first model predicts correctly.
        only_reference: Tracks that only the second model predicts correctly.
        mcnemar_p: Two-sided p-value of the exact McNemar test.
        accuracy_difference: The first's accuracy minus the second's, 0-1.
        macro_f1_difference: The first's macro-F1 minus the second's, 0-1.
        macro_f1_low: Lower end of its 95 % bootstrap interval.
        macro_f1_high: Upper end of the interval.
    """

    protocol: str
    tiers: str
    model: str
    reference: str
    seed: int
    tracks: int
    only_model: int
    only_reference: int
    mcnemar_p: float
    accuracy_difference: float
    macro_f1_difference: float
    macro_f1_low: float
    macro_f1_high: float

    @property
    def label(self) -> str:
        """Names of the compared models, for a table."""
        task, _, variant = self.model.partition(", ")
        other, _, whole = self.reference.partition(", ")
        if task == other:
            return f"{task}: {variant} against {whole}"
        return f"{self.tiers}: {task} against classification"


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of the exact McNemar test (McNemar 1947).

    If two models are equally good, a track that exactly one of them predicts correctly is equally
    likely to be of either: a binomial test.

    Args:
        only_first: Number of tracks that only the first model predicts correctly.
        only_second: Number of tracks that only the second model predicts correctly.
    """
    discordant = only_first + only_second
    if not discordant:
        return 1.0
    return float(stats.binomtest(only_first, discordant, 0.5).pvalue)


def macro_f1(truth: IntArray, predicted: IntArray) -> float:
    """Macro-F1 as in `tier_metrics`, fast enough for thousands of resamples."""
    size = int(max(truth.max(), predicted.max())) + 1
    true = np.bincount(truth, minlength=size)
    said = np.bincount(predicted, minlength=size)
    right = np.bincount(truth[truth == predicted], minlength=size)
    occurs = (true + said) > 0
    return float((2 * right[occurs] / (true + said)[occurs]).mean())


def bootstrap_difference(
    truth: IntArray, first: IntArray, second: IntArray, *, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the difference of two models' macro-F1, paired by track.

    Args:
        truth: `(n,)` true tiers.
        first: `(n,)` tiers predicted by the first model.
        second: `(n,)` tiers predicted by the second model.
        seed: Random seed of the resamples.
    """

    def difference(*drawn: IntArray) -> float:
        return macro_f1(drawn[0], drawn[1]) - macro_f1(drawn[0], drawn[2])

    if len(truth) < 2 or np.array_equal(first, second):
        point = difference(truth, first, second)
        return point, point
    interval = stats.bootstrap(
        (truth, first, second),
        difference,
        paired=True,
        vectorized=False,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def compare(first: Row, second: Row, tiers: Tiers) -> Comparison:
    """Compare two runs on the tracks that both report.

    Raises:
        ValueError: if they don't report the same tracks.
    """
    truth, ids, ours = _predicted(first, tiers)
    _, others, theirs = _predicted(second, tiers)
    if not np.array_equal(ids, others):
        raise ValueError(f"{first.folder} and {second.folder} hold out different tracks")
    right, right_too = ours == truth, theirs == truth
    only_first, only_second = int((right & ~right_too).sum()), int((right_too & ~right).sum())
    low, high = bootstrap_difference(truth, ours, theirs, seed=first.seed)
    return Comparison(
        protocol=first.protocol,
        tiers=tiers.name,
        model=f"{first.task}, {first.variant}",
        reference=f"{second.task}, {second.variant}",
        seed=first.seed,
        tracks=len(truth),
        only_model=only_first,
        only_reference=only_second,
        mcnemar_p=mcnemar(only_first, only_second),
        accuracy_difference=float(right.mean() - right_too.mean()),
        macro_f1_difference=macro_f1(truth, ours) - macro_f1(truth, theirs),
        macro_f1_low=low,
        macro_f1_high=high,
    )


def _predicted(row: Row, tiers: Tiers) -> tuple[IntArray, Any, IntArray]:
    table = Run(row.folder).predictions
    table = table[table["part"] == row.part].sort_values("row")
    own = get_task(row.task).tiers.name == tiers.name
    said = table["tier"].to_numpy() if own else tiers.of(table["predicted_popularity"].to_numpy())
    return tiers.of(table["popularity"].to_numpy()), table["track_id"].to_numpy(), said


def compare_all(rows: Sequence[Row]) -> Iterator[Comparison]:
    """Compare each ablated model with the whole one, and each regression with the classification.

    Args:
        rows: All rows; those without a counterpart are ignored.
    """
    found = {(*row.key, row.seed): row for row in rows}
    for row in rows:
        whole = found.get((row.protocol, row.task, ALL_FEATURES, row.seed))
        if row.variant != ALL_FEATURES and whole:
            yield compare(row, whole, get_task(row.task).tiers)
        if row.task != "regression" or row.variant != ALL_FEATURES:
            continue
        for tiers in get_task(row.task).reported_tiers:
            if other := found.get((row.protocol, tiers.name, ALL_FEATURES, row.seed)):
                yield compare(row, other, TIERS[tiers.name])
