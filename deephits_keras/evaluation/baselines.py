"""Simple predictors to measure a model against, on the same tracks and with the same figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deephits_keras.errors import UserError
from deephits_keras.evaluation.metrics import Figures, evaluate
from deephits_keras.tasks import FloatArray, Task

BASELINES = ("majority", "logistic", "boosting")


def baseline_metrics(
    task: Task,
    train_features: FloatArray,
    train_popularity: FloatArray,
    test_features: FloatArray,
    test_popularity: FloatArray,
    *,
    kind: str = "logistic",
    seed: int = 0,
) -> dict[str, Figures]:
    """Fit a baseline and give its figures.

    Args:
        task: What to predict.
        train_features: `(n, features)` numbers of the training tracks, NaN where missing.
        train_popularity: `(n,)` their popularity, 0-100.
        test_features: `(m, features)` of the tracks to measure on.
        test_popularity: `(m,)` their popularity, 0-100.
        kind: `majority` (the most frequent tier, or the mean popularity, whatever the features),
            `logistic` (logistic regression, or ridge regression, on z-scored features with
            missing ones at their mean) or `boosting` (histogram gradient boosting).
        seed: Seed of what the baseline draws at random.

    Returns:
        What `evaluate` gives.

    Raises:
        UserError: if there is no such baseline.
    """
    targets = task.targets(train_popularity)
    # With one tier in training there is nothing to learn, and most classifiers refuse to.
    if task.kind == "classification" and len(np.unique(targets)) == 1:
        kind = "majority"
    model = _model(kind, task.kind == "classification", seed).fit(train_features, targets)
    outputs = (
        _logits(model, test_features, task)
        if task.kind == "classification"
        else model.predict(test_features)
    )
    return evaluate(task, test_popularity, task.decode(outputs))


def _model(kind: str, classification: bool, seed: int) -> Any:
    match kind:
        case "majority":
            return DummyClassifier(strategy="prior") if classification else DummyRegressor()
        case "logistic":
            linear = LogisticRegression(max_iter=2000) if classification else Ridge()
            return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), linear)
        case "boosting" if classification:
            return HistGradientBoostingClassifier(random_state=seed)
        case "boosting":
            return HistGradientBoostingRegressor(random_state=seed)
    raise UserError(f"There is no baseline named {kind!r}. Baselines: {', '.join(BASELINES)}")


def _logits(classifier: Any, features: FloatArray, task: Task) -> FloatArray:
    """Logits for every tier, minus infinity for those that the classifier never saw."""
    logits = np.full((len(features), task.outputs), -np.inf)
    with np.errstate(divide="ignore"):
        logits[:, classifier.classes_] = np.log(classifier.predict_proba(features))
    return logits
