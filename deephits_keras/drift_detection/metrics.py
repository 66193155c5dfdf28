"""What a corpus does to a run's metrics: against its own held-out part, with an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from deephits_keras.drift_detection.samples import Samples, known_popularity
from deephits_keras.drift_detection.statistics import FEWEST
from deephits_keras.features.store import FeatureSource
from deephits_keras.tasks import Task
from deephits_keras.types import FloatArray, IntArray

DRAWS = 1000
"""Bootstrap samples of an interval."""

MOST_SCORED = 5000
"""Tracks of a corpus that are scored, at random."""


@dataclass(frozen=True)
class Answers:
    """What a model says of some tracks, and the truth.

    Attributes:
        popularity: `(n,)` true popularity, 0-100.
        predicted: `(n,)` predicted popularity, 0-100.
        true_tier: `(n,)` true tiers.
        tier: `(n,)` predicted tiers.
    """

    popularity: FloatArray
    predicted: FloatArray
    true_tier: IntArray
    tier: IntArray

    def __len__(self) -> int:
        return len(self.popularity)


Metric = Callable[[Answers, IntArray], float]


def _macro_f1(answers: Answers, rows: IntArray) -> float:
    """As scikit-learn's, a hundred times as fast: it is computed for every draw."""
    true, said = answers.true_tier[rows], answers.tier[rows]
    size = int(max(true.max(), said.max())) + 1
    counts = np.bincount(true, minlength=size) + np.bincount(said, minlength=size)
    right = np.bincount(true[true == said], minlength=size)
    return float((2 * right[counts > 0] / counts[counts > 0]).mean())


def _accuracy(answers: Answers, rows: IntArray) -> float:
    return float((answers.true_tier[rows] == answers.tier[rows]).mean())


def _mae(answers: Answers, rows: IntArray) -> float:
    return float(np.abs(answers.popularity[rows] - answers.predicted[rows]).mean())


def _spearman(answers: Answers, rows: IntArray) -> float:
    pair = answers.popularity[rows], answers.predicted[rows]
    if any(np.ptp(each) == 0 for each in pair):
        return float("nan")
    return float(stats.spearmanr(*pair).statistic)


METRICS: Mapping[str, dict[str, Metric]] = {
    "classification": {
        "macro_f1": _macro_f1,
        "accuracy": _accuracy,
        "mae": _mae,
        "spearman": _spearman,
    },
    "regression": {"mae": _mae, "spearman": _spearman},
}
"""The metrics that are compared, by kind of task; names as in `evaluation.metrics`."""


@dataclass(frozen=True)
class MetricChange:
    """A metric on the run's held-out part and on the corpus.

    Attributes:
        held_out: On the held-out part.
        corpus: On the corpus.
        difference: The second minus the first.
        low: Lower end of the bootstrap interval of the difference.
        high: Its upper end.
    """

    held_out: float
    corpus: float
    difference: float
    low: float
    high: float


def held_out_answers(samples: Samples) -> Answers:
    """The run's stored predictions for its reported part."""
    table = samples.run.predictions
    table = table[table["part"] == samples.run.reported_part]
    return Answers(
        table["popularity"].to_numpy(np.float64),
        table["predicted_popularity"].to_numpy(np.float64),
        table["true_tier"].to_numpy(np.int64),
        table["tier"].to_numpy(np.int64),
    )


def rows_to_score(samples: Samples) -> IntArray:
    """Rows of the corpus with a known popularity that aren't in the run's corpus."""
    rows = samples.scored[~np.isnan(known_popularity(samples.corpus, samples.scored))]
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_SCORED])


def corpus_answers(
    samples: Samples, stores: Mapping[str, FeatureSource], rows: IntArray
) -> Answers:
    """What the run says of some tracks of the corpus; imports Keras."""
    from deephits_keras.training.scoring import score_rows

    run = samples.run
    scored = score_rows(run.model, run.task, stores, samples.corpus, rows)
    prediction, tiers = scored.prediction, run.task.tiers
    return Answers(
        scored.popularity.astype(np.float64),
        np.asarray(prediction.popularity, np.float64),
        tiers.of(scored.popularity),
        prediction.tiers(tiers),
    )


def metric_changes(
    task: Task, held_out: Answers, corpus: Answers, *, level: float
) -> dict[str, MetricChange]:
    """Metrics of both, with an interval of each difference.

    The interval is a percentile bootstrap of both samples' tracks, drawn independently. Metrics
    that aren't defined are left out.

    Args:
        task: The task.
        held_out: The answers for the held-out part.
        corpus: Those for the corpus.
        level: 1 minus the coverage of each interval.

    Returns:
        By the metric's name; empty with fewer than 20 tracks on either side.
    """
    if min(len(held_out), len(corpus)) < FEWEST:
        return {}
    rng = np.random.default_rng(0)
    draws = [
        tuple(rng.integers(0, len(each), len(each)) for each in (held_out, corpus))
        for _ in range(DRAWS)
    ]
    found = {}
    for name, metric in METRICS[task.kind].items():
        before, now = (metric(each, np.arange(len(each))) for each in (held_out, corpus))
        if not np.isfinite([before, now]).all():
            continue
        differences = np.array([metric(corpus, b) - metric(held_out, a) for a, b in draws])
        low, high = np.nanquantile(differences, [level / 2, 1 - level / 2])
        found[name] = MetricChange(before, now, now - before, float(low), float(high))
    return found
