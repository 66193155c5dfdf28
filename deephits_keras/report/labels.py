"""What a metric is called on a page, how it is written, and which of two values is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """A metric's words.

    Attributes:
        name: What it is called.
        format: How a value is written (`z`: no negative zero).
        meaning: What it says, in a line.
        lower: Whether a lower value is better.
    """

    name: str
    format: str
    meaning: str
    lower: bool = False

    def show(self, value: float | None) -> str:
        """A value as text; nothing for a metric that isn't defined."""
        return "" if value is None else self.format.format(value)

    def worse(self, value: float, other: float) -> bool:
        """Whether a value, as it is written, is worse than another."""
        mine, theirs = (float(self.show(v).strip("%").replace(",", "")) for v in (value, other))
        return mine > theirs if self.lower else mine < theirs


METRICS = {
    "macro_f1": Label("Macro-F1", "{:z.1%}", "mean of the tiers' F1, each tier counting the same"),
    "accuracy": Label("Accuracy", "{:z.1%}", "tracks put into their own tier"),
    "within_one_tier": Label("Within ±1 tier", "{:z.1%}", "tracks at most one tier off"),
    "tier_mae": Label("Tier MAE", "{:z.2f}", "mean distance in tiers; lower is better", lower=True),
    "roc_auc": Label("ROC-AUC", "{:z.3f}", "one tier against the rest; 0.5 is chance"),
    "pr_auc": Label("PR-AUC", "{:z.3f}", "average precision, one tier against the rest"),
    "log_loss": Label(
        "Log loss", "{:z.3f}", "mean of -log of the true tier's score; lower is better", lower=True
    ),
    "ece": Label(
        "ECE", "{:z.1%}", "expected calibration error, 15 bins; lower is better", lower=True
    ),
    "macro_precision": Label("Macro-precision", "{:z.1%}", "mean of the tiers' precision"),
    "macro_recall": Label("Macro-recall", "{:z.1%}", "mean of the tiers' recall"),
    "mae": Label("MAE", "{:z.2f}", "mean error in points of 0-100; lower is better", lower=True),
    "mse": Label("MSE", "{:z.1f}", "mean squared error in points²; lower is better", lower=True),
    "r2": Label("R²", "{:z.3f}", "share of the variance explained; 0 is the mean's"),
    "mae_unit": Label(
        "MAE, 0-1 scale", "{:z.4f}", "the same as MAE, as HitMusicNet reports it", lower=True
    ),
    "coverage": Label("Coverage", "{:z.1%}", "tracks whose set holds the truth"),
    "set_size": Label(
        "Set size", "{:z.2f}", "mean number of tiers in a set; lower is better", lower=True
    ),
    "interval_width": Label(
        "Interval width", "{:z.1f}", "mean width in points; lower is better", lower=True
    ),
}
"""By the names of `deephits_keras.evaluation.metrics`, in the table's order."""

TIER_TILES = ("macro_f1", "accuracy", "within_one_tier", "tier_mae", "roc_auc", "pr_auc")
REGRESSION_TILES = ("mae", "mse", "r2")

BASELINES = {
    "majority": {
        "classification": ("majority", "says the tier that is most frequent in training, always"),
        "regression": ("mean", "says the mean popularity of the training tracks, always"),
    },
    "logistic": {
        "classification": ("logistic", "logistic regression on the same numbers"),
        "regression": ("ridge", "ridge regression on the same numbers"),
    },
    "mlp": dict.fromkeys(("classification", "regression"), ("MLP", "a network of two layers")),
    "boosting": dict.fromkeys(
        ("classification", "regression"), ("boosting", "histogram gradient boosting")
    ),
}
"""Name and meaning of each baseline of `deephits_keras.evaluation.baselines`, by kind of task."""


def baseline_label(name: str, kind: str) -> tuple[str, str]:
    """What a baseline is called in a kind of task, and what it does; its own name if unknown."""
    return BASELINES[name][kind] if name in BASELINES else (name, "")
