"""Names, number formats and meanings of metrics, for pages and the terminal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """Name and format of a metric.

    Attributes:
        name: Its name.
        format: Format string of a value (`z`: no negative zero).
        meaning: What it measures, in one line.
        lower: Whether lower values are better.
    """

    name: str
    format: str
    meaning: str
    lower: bool = False

    def show(self, value: float | None) -> str:
        """A value as text; empty for an undefined metric."""
        return "" if value is None else self.format.format(value)

    def worse(self, value: float, other: float) -> bool:
        """Whether a value, rounded as shown, is worse than another."""
        mine, theirs = (float(self.show(v).strip("%").replace(",", "")) for v in (value, other))
        return mine > theirs if self.lower else mine < theirs


METRICS = {
    "macro_f1": Label(
        "Macro-F1", "{:z.1%}", "mean over the tiers of F1, which balances precision and recall"
    ),
    "accuracy": Label("Accuracy", "{:z.1%}", "fraction of tracks in the correct tier"),
    "within_one_tier": Label(
        "Within ±1 tier", "{:z.1%}", "fraction of tracks at most one tier off"
    ),
    "tier_mae": Label(
        "Tier MAE", "{:z.2f}", "mean absolute error in tiers; lower is better", lower=True
    ),
    "roc_auc": Label(
        "ROC-AUC", "{:z.3f}", "area under the ROC curve, one tier against the rest; 0.5 is random"
    ),
    "pr_auc": Label(
        "PR-AUC",
        "{:z.3f}",
        "area under the curve of precision and recall, one tier against the rest",
    ),
    "log_loss": Label(
        "Log loss", "{:z.3f}", "mean of -log of the true tier's score; lower is better", lower=True
    ),
    "ece": Label(
        "ECE",
        "{:z.1%}",
        "expected gap between score and accuracy, 15 bins; lower is better",
        lower=True,
    ),
    "macro_precision": Label(
        "Macro-precision",
        "{:z.1%}",
        "mean over the tiers: fraction of the predictions of a tier that are correct",
    ),
    "macro_recall": Label(
        "Macro-recall",
        "{:z.1%}",
        "mean over the tiers: fraction of a tier's tracks that are predicted correctly",
    ),
    "mae": Label(
        "MAE", "{:z.2f}", "mean absolute error in popularity (0-100); lower is better", lower=True
    ),
    "bias": Label(
        "Mean error", "{:+z.2f}", "mean of predicted minus true popularity (0-100)", lower=True
    ),
    "mse": Label("MSE", "{:z.1f}", "mean squared error; lower is better", lower=True),
    "r2": Label("R²", "{:z.3f}", "explained fraction of the variance; 0 for the mean"),
    "mae_unit": Label(
        "MAE, 0-1 scale",
        "{:z.4f}",
        "MAE with popularity from 0 to 1, as HitMusicNet reports it",
        lower=True,
    ),
    "spearman": Label("Spearman rho", "{:z.3f}", "rank correlation with the true popularity"),
    "kendall": Label(
        "Kendall tau",
        "{:z.3f}",
        "fraction of pairs of tracks in the right order, minus those in the wrong one",
    ),
    **{
        f"recall_at_{k}": Label(
            f"Recall at {k}", "{:z.1%}", f"fraction of the {k} most popular tracks in the top {k}"
        )
        for k in (100, 150)
    },
    **{
        f"ndcg_at_{k}": Label(
            f"nDCG at {k}", "{:z.3f}", f"discounted gain of the top {k}, relative to the best order"
        )
        for k in (100, 150)
    },
    "coverage": Label(
        "Coverage", "{:z.1%}", "fraction of tracks whose set contains the true value"
    ),
    "set_size": Label(
        "Set size", "{:z.2f}", "mean number of tiers in a set; lower is better", lower=True
    ),
    "interval_width": Label(
        "Interval width", "{:z.1f}", "mean width in popularity (0-100); lower is better", lower=True
    ),
}
"""By the names of `deephits_keras.evaluation.metrics`, in the table's order."""

LOSS = Label("Loss", "{:z.4f}", "what training minimises", lower=True)
"""Also for any other metric without a format of its own."""

TIER_TILES = ("macro_f1", "accuracy", "within_one_tier", "tier_mae", "roc_auc", "pr_auc")
REGRESSION_TILES = ("mae", "mse", "r2")

BASELINES = {
    "majority": {
        "classification": (
            "majority",
            "always predicts the most frequent tier of the training tracks",
        ),
        "regression": ("mean", "always predicts the mean popularity of the training tracks"),
    },
    "logistic": {
        "classification": ("logistic", "logistic regression on the same columns"),
        "regression": ("ridge", "ridge regression on the same columns"),
    },
    "mlp": dict.fromkeys(
        ("classification", "regression"), ("MLP", "a network of two layers on the same columns")
    ),
    "boosting": dict.fromkeys(
        ("classification", "regression"),
        ("boosting", "histogram gradient boosting on the same columns"),
    ),
}
"""Name and meaning of each baseline of `deephits_keras.evaluation.baselines`, by kind of task."""


def metric_name(metric: str) -> str:
    """The name of a metric; its own where it has none."""
    return METRICS[metric].name if metric in METRICS else metric.replace("_", " ")


def show_metric(metric: str, value: float | None) -> str:
    """A metric's value; empty for an undefined one.

    Example:
        >>> show_metric("accuracy", 0.2857), show_metric("loss", 0.0017)
        ('28.6%', '0.0017')
    """
    # A loss of regression is in squares of popularity / 100, and so small.
    return METRICS.get(metric, LOSS).show(value)


def baseline_label(name: str, kind: str) -> tuple[str, str]:
    """Name and meaning of a baseline for a kind of task."""
    return BASELINES[name][kind] if name in BASELINES else (name, "")
