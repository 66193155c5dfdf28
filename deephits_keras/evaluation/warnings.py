"""What to know before metrics are believed: degenerate held-out tracks, degenerate predictions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deephits_keras.evaluation.metrics import Metrics
from deephits_keras.tasks import Prediction, Task
from deephits_keras.types import FloatArray

FEWEST_TRACKS = 100
"""Below, the standard error of an accuracy can exceed 5 percentage points."""

LEADING = {"classification": ("macro_f1", "accuracy"), "regression": ("mae", "mse")}
"""The metrics in which a useful model is better than the baseline that ignores its inputs."""

NAMES = {"macro_f1": "macro-F1", "accuracy": "accuracy", "mae": "MAE", "mse": "MSE"}

BASELINES = {
    "classification": "the majority (always the most frequent tier of the training tracks)",
    "regression": "the mean (always the mean popularity of the training tracks)",
}


def result_warnings(
    task: Task,
    popularity: FloatArray,
    prediction: Prediction,
    metrics: Mapping[str, Metrics],
    baseline: Mapping[str, Metrics] | None = None,
    *,
    tracks: str = "tracks",
) -> list[str]:
    """Reasons not to rely on a model or on its metrics, one sentence each.

    Args:
        task: The task.
        popularity: `(n,)` true popularity, 0-100.
        prediction: The model's prediction for the same tracks.
        metrics: The model's metrics on them (`evaluation.metrics.evaluate`).
        baseline: Those of the majority or mean baseline, if known.
        tracks: What the tracks are called, such as `validation tracks`.

    Returns:
        Sentences for few tracks, for a single tier among the true or the predicted ones, and for
        a model that is no better than the baseline. Empty if there is nothing to say.

    Example:
        >>> from deephits_keras.tasks import get_task
        >>> task, popularity = get_task("tiers-3"), np.full(200, 50.0)
        >>> prediction = task.decode(np.tile([0.0, 1.0, 0.0], (200, 1)))
        >>> result_warnings(task, popularity, prediction, {})[0]
        'All 200 tracks are of one tier (25-65): the metrics say nothing about the others.'
    """
    found = []
    count, labels = len(popularity), task.tiers.labels
    if count == 1:
        return [
            f"There is only 1 {tracks.removesuffix('s')}: its metrics say nothing. Hold out "
            f"{FEWEST_TRACKS} or more."
        ]
    if count < FEWEST_TRACKS:
        found.append(
            f"There are only {count} {tracks}: by chance alone their metrics vary by several "
            f"percentage points. Hold out {FEWEST_TRACKS} or more."
        )
    true, predicted = np.unique(task.tiers.of(popularity)), np.unique(prediction.tiers(task.tiers))
    if len(true) == 1:
        found.append(
            f"All {count:,} {tracks} are of one tier ({labels[true[0]]}): the metrics say nothing "
            "about the others."
        )
    elif len(predicted) == 1:
        found.append(
            f"The model puts all {count:,} {tracks} into one tier ({labels[predicted[0]]}): it "
            "doesn't tell the tiers apart."
        )
    # Where all tracks are of one tier, no classifier is better than saying that tier.
    if baseline is not None and not (task.kind == "classification" and len(true) == 1):
        found += _against(task, metrics, baseline)
    return found


def _against(
    task: Task, metrics: Mapping[str, Metrics], baseline: Mapping[str, Metrics]
) -> list[str]:
    """The sentence on a model that is no better than the baseline."""
    lower = task.kind == "regression"
    group = "regression" if lower else task.tiers.name
    told = []
    for name in LEADING[task.kind]:
        mine, other = metrics[group][name], baseline[group][name]
        if mine is None or other is None or (mine < other if lower else mine > other):
            continue
        pair = f"{mine:.2f} against {other:.2f}" if lower else f"{mine:.1%} against {other:.1%}"
        told.append(f"{NAMES[name]} {pair}")
    if not told:
        return []
    return [f"The model is no better than {BASELINES[task.kind]}: {', '.join(told)}."]
