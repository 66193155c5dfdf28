"""The metrics of the paper's Section 2.2.3 and of calibration, through scikit-learn.

Every value is a finite float, or None where a metric isn't defined: the results go to JSON.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats
from sklearn import metrics

from deephits_keras.tasks import POPULARITY_MAX, Prediction, Task, Tiers
from deephits_keras.types import FloatArray, IntArray

Metrics = dict[str, float | None]
"""Metrics by name."""

BINS = 15
"""Number of bins of the expected calibration error, as in Guo et al. 2017."""


def evaluate(task: Task, popularity: FloatArray, prediction: Prediction) -> dict[str, Metrics]:
    """All metrics of some tracks: of tiers, of popularity as a number, and of the tracks' order.

    Args:
        task: The task of the model; metrics of its `reported_tiers` are computed.
        popularity: `(n,)` true popularity, 0-100.
        prediction: Predictions for the same tracks.

    Returns:
        `tier_metrics` by the tiers' name, `regression_metrics` as `regression` and
        `ranking_metrics` as `ranking`. The latter two use the expected popularity, so that a
        classifier can be compared with a regression.

    Raises:
        ValueError: if there are no tracks, or the lengths differ.
    """
    by_tiers = {
        tiers.name: tier_metrics(
            tiers.of(popularity), prediction.tiers(tiers), prediction.scores, tiers
        )
        for tiers in task.reported_tiers
    }
    return {
        **by_tiers,
        "regression": regression_metrics(popularity, prediction.popularity),
        "ranking": ranking_metrics(popularity, prediction.popularity),
    }


def tier_metrics(
    true_tiers: IntArray, predicted_tiers: IntArray, scores: FloatArray | None, tiers: Tiers
) -> Metrics:
    """Metrics of a classification into tiers.

    A macro average is the unweighted mean over the tiers that occur in the truth or among the
    predictions (scikit-learn's default). A tier that is never predicted has precision 0, one
    that doesn't occur in the truth has recall 0.

    Args:
        true_tiers: `(n,)` tier indices.
        predicted_tiers: `(n,)` tier indices.
        scores: `(n, tiers.count)` class scores, or None.
        tiers: The tiers.

    Returns:
        `accuracy`, `macro_precision`, `macro_recall`, `macro_f1`; `within_one_tier`, the fraction
        of tracks at most one tier off; `tier_mae`, the mean absolute error in tiers; `roc_auc` and
        `pr_auc` (average precision), one tier against the rest, as the mean over the tiers that
        contain some but not all of the tracks: None without scores or without such a tier;
        `log_loss` and `ece`, the `expected_calibration_error`: None without scores.

    Raises:
        ValueError: if there are no tracks, or the lengths differ.
    """
    distance = np.abs(true_tiers.astype(np.int64) - predicted_tiers)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        true_tiers, predicted_tiers, average="macro", zero_division=0
    )
    return {
        "accuracy": float(metrics.accuracy_score(true_tiers, predicted_tiers)),
        "macro_precision": float(precision),
        "macro_recall": float(recall),
        "macro_f1": float(f1),
        "within_one_tier": float((distance <= 1).mean()),
        "tier_mae": float(distance.mean()),
        **_ranking_metrics(true_tiers, scores, tiers),
        **_score_metrics(true_tiers, scores, tiers),
    }


def macro_f1(true_tiers: IntArray, predicted_tiers: IntArray) -> float:
    """The `macro_f1` of `tier_metrics` alone, which costs a fortieth of all metrics.

    Args:
        true_tiers: `(n,)` tier indices.
        predicted_tiers: `(n,)` tier indices.

    Example:
        >>> round(macro_f1(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])), 3)
        0.556
    """
    return float(metrics.f1_score(true_tiers, predicted_tiers, average="macro", zero_division=0))


def macro_f1_present(true_tiers: IntArray, predicted_tiers: IntArray) -> float:
    """Macro-F1 over the tiers that occur in the truth: a stable metric to select a checkpoint by.

    `macro_f1` of `tier_metrics` also averages over tiers that are predicted and don't occur: the
    first track that is predicted in such a tier adds an F1 of 0 to the mean.

    Args:
        true_tiers: `(n,)` tier indices.
        predicted_tiers: `(n,)` tier indices.

    Example:
        >>> truth = np.array([0, 0, 1, 1])
        >>> guess = np.array([0, 0, 1, 2])
        >>> round(macro_f1_present(truth, guess), 3)
        0.833
        >>> round(float(metrics.f1_score(truth, guess, average="macro")), 3)
        0.556
    """
    return float(
        metrics.f1_score(
            true_tiers,
            predicted_tiers,
            labels=np.unique(true_tiers),
            average="macro",
            zero_division=0,
        )
    )


def _ranking_metrics(true_tiers: IntArray, scores: FloatArray | None, tiers: Tiers) -> Metrics:
    one_hot = true_tiers[:, np.newaxis] == np.arange(tiers.count)
    defined = one_hot.any(axis=0) & ~one_hot.all(axis=0)
    if scores is None or not defined.any():
        return {"roc_auc": None, "pr_auc": None}
    truth, scores = one_hot[:, defined], scores[:, defined]
    return {
        "roc_auc": float(metrics.roc_auc_score(truth, scores, average="macro")),
        "pr_auc": float(metrics.average_precision_score(truth, scores, average="macro")),
    }


def _score_metrics(true_tiers: IntArray, scores: FloatArray | None, tiers: Tiers) -> Metrics:
    if scores is None:
        return {"log_loss": None, "ece": None}
    return {
        "log_loss": float(metrics.log_loss(true_tiers, scores, labels=np.arange(tiers.count))),
        "ece": expected_calibration_error(true_tiers, scores),
    }


def expected_calibration_error(true_tiers: IntArray, scores: FloatArray) -> float:
    """Mean difference of the highest class score and the accuracy, 0-1 (Guo et al. 2017).

    The tracks are divided into `BINS` bins of equal width by their highest class score. The error
    is the absolute difference of mean score and accuracy per bin, averaged over the tracks.

    Args:
        true_tiers: `(n,)` tier indices.
        scores: `(n, tiers)` class scores.
    """
    counts, confidence, accuracy = reliability(true_tiers, scores)
    return float((counts * np.abs(confidence - accuracy)).sum() / counts.sum())


def reliability(
    true_tiers: IntArray, scores: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Number of tracks, mean highest score and accuracy of each bin with tracks.

    Args:
        true_tiers: `(n,)` tier indices.
        scores: `(n, tiers)` class scores.
    """
    top = scores.max(axis=1)
    right = scores.argmax(axis=1) == true_tiers
    bins = np.clip(np.ceil(top * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins)
    filled = counts > 0
    sums = (np.bincount(bins, weights=values)[filled] for values in (top, right))
    confidence, accuracy = (of / counts[filled] for of in sums)
    return counts[filled], confidence, accuracy


def regression_metrics(popularity: FloatArray, predicted: FloatArray) -> Metrics:
    """Metrics of popularity as a number.

    Args:
        popularity: `(n,)` true popularity, 0-100.
        predicted: `(n,)` predicted popularity, 0-100.

    Returns:
        `mse` and `mae` on the 0-100 scale; `r2`, None for fewer than
        two tracks; `mae_unit`, the mean absolute error on a 0-1 scale, as HitMusicNet reports it
        (the paper's reference 11).

    Raises:
        ValueError: if there are no tracks, or the lengths differ.
    """
    mae = float(metrics.mean_absolute_error(popularity, predicted))
    return {
        "mse": float(metrics.mean_squared_error(popularity, predicted)),
        "mae": mae,
        "r2": float(metrics.r2_score(popularity, predicted)) if len(popularity) > 1 else None,
        "mae_unit": mae / POPULARITY_MAX,
    }


def confusion(true_tiers: IntArray, predicted_tiers: IntArray, tiers: Tiers) -> IntArray:
    """Numbers of tracks `(tiers, tiers)`: one row per true tier, one column per predicted tier."""
    counts: IntArray = metrics.confusion_matrix(
        true_tiers, predicted_tiers, labels=np.arange(tiers.count)
    )
    return counts


def per_tier_recall(
    true_tiers: IntArray, predicted_tiers: IntArray, tiers: Tiers
) -> list[float | None]:
    """Recall of each tier; None for a tier without tracks."""
    counts = confusion(true_tiers, predicted_tiers, tiers)
    return [float(row[tier] / row.sum()) if row.sum() else None for tier, row in enumerate(counts)]


TOP = (100, 150)
"""Lengths of the hit lists that Yang et al. (2017) evaluate."""


def ranking_metrics(
    popularity: FloatArray, predicted: FloatArray, *, tops: Sequence[int] = TOP
) -> Metrics:
    """Metrics of the order of songs, as hit song prediction on plays reports them (Yang 2017).

    Args:
        popularity: `(n,)` true popularity, 0-100.
        predicted: `(n,)` predicted popularity; only its order matters.
        tops: Lengths k of the list of predicted hits.

    Returns:
        `spearman` (rho) and `kendall` (tau-b), None if all true or all predicted values are
        equal; for each k `recall_at_k`, the fraction of the k most popular songs among the k with
        the highest predictions, and `ndcg_at_k`, with the popularity as gain; None for k songs or
        fewer. Ties are averaged over all orders.

    Raises:
        ValueError: if the lengths differ.
    """
    if len(popularity) != len(predicted):
        raise ValueError(f"{len(popularity)} true and {len(predicted)} predicted popularities")
    varied = len(popularity) > 1 and np.ptp(popularity) > 0 and np.ptp(predicted) > 0
    found: Metrics = {
        "spearman": float(stats.spearmanr(popularity, predicted).statistic) if varied else None,
        "kendall": float(stats.kendalltau(popularity, predicted).statistic) if varied else None,
    }
    for k in tops:
        enough = len(popularity) > k
        found[f"recall_at_{k}"] = _recall_at(popularity, predicted, k) if enough else None
        found[f"ndcg_at_{k}"] = (
            float(metrics.ndcg_score(popularity[np.newaxis], predicted[np.newaxis], k=k))
            if enough
            else None
        )
    return found


def _recall_at(popularity: FloatArray, predicted: FloatArray, k: int) -> float:
    """Fraction of the true top k among the predicted top k; ties are averaged."""
    return float(_membership(popularity, k) @ _membership(predicted, k) / k)


def _membership(values: FloatArray, k: int) -> FloatArray:
    """`(n,)` membership of each value in the k largest: 1, 0, or a fraction for ties."""
    edge = np.sort(values)[-k]
    above, level = values > edge, values == edge
    share: FloatArray = above + level * ((k - above.sum()) / level.sum())
    return share
