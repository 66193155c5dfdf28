"""Baselines, evaluated on the same tracks and with the same metrics as a model.

scikit-learn's models are imported where they are fitted: all of them take half a second, and most
callers want one.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.evaluation.metrics import Metrics, evaluate
from deephits_keras.tasks import LARGEST_SCORE, Task
from deephits_keras.types import FloatArray

FAMILIES = ("logistic", "mlp", "boosting")
"""Names of the trained baselines."""

BASELINES = ("majority", *FAMILIES)

HIDDEN_UNITS = (64, 64)
"""Hidden layers of the MLP: those of the paper's numeric branch (Table A1)."""

MLP_EPOCHS = 25
"""Epochs of the MLP, as many as the paper trains its model (Section 2.2.2)."""


def baseline_metrics(
    task: Task,
    train_features: FloatArray,
    train_popularity: FloatArray,
    test_features: FloatArray,
    test_popularity: FloatArray,
    *,
    kind: str = "logistic",
    seed: int = 0,
) -> dict[str, Metrics]:
    """Fit a baseline and compute its metrics.

    Args:
        task: The task.
        train_features: `(n, features)` features of the training tracks, NaN where missing.
        train_popularity: `(n,)` popularity of the training tracks, 0-100.
        test_features: `(m, features)` features of the test tracks.
        test_popularity: `(m,)` popularity of the test tracks, 0-100.
        kind: `majority` (the most frequent tier, or the mean popularity),
            `logistic` (logistic or ridge regression) or `mlp` (two hidden layers), both on
            z-scored features with missing ones at their mean, or `boosting` (histogram gradient
            boosting).
        seed: Random seed.

    Returns:
        The result of `evaluate`.

    Raises:
        UserError: if there is no such baseline.
    """
    # A decoding is fitted to one model's scores.
    task = dataclasses.replace(task, decoding=LARGEST_SCORE)
    if task.kind == "classification":
        outputs = class_logits(
            task, train_features, train_popularity, test_features, kind=kind, seed=seed
        )
    else:
        model = _model(kind, classification=False, seed=seed)
        outputs = model.fit(train_features, task.targets(train_popularity)).predict(test_features)
    return evaluate(task, test_popularity, task.decode(outputs))


def class_logits(
    task: Task,
    train_features: FloatArray,
    train_popularity: FloatArray,
    test_features: FloatArray,
    *,
    kind: str = "logistic",
    seed: int = 0,
    balanced: bool = False,
) -> FloatArray:
    """Fit a classifier and predict other tracks, for `Task.decode`.

    Args:
        task: A classification task.
        train_features: As for `baseline_metrics`.
        train_popularity: As for `baseline_metrics`.
        test_features: `(m, features)` features of the other tracks.
        kind: As for `baseline_metrics`.
        seed: As for `baseline_metrics`.
        balanced: Weight tracks by the inverse frequency of their tier (scikit-learn's formula).

    Returns:
        `(m, tiers)` logarithms of class scores, minus infinity for a tier that training lacks.

    Raises:
        UserError: if there is no such baseline.
    """
    targets = task.targets(train_popularity)
    # Most classifiers refuse a column without training values, or a single tier.
    known = ~np.isnan(train_features).all(axis=0)
    train_features, test_features = train_features[:, known], test_features[:, known]
    if len(np.unique(targets)) == 1 or not known.any():
        kind = "majority"
    model = _model(kind, classification=True, seed=seed)
    if balanced:
        from sklearn.pipeline import Pipeline
        from sklearn.utils.class_weight import compute_sample_weight

        last = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
        weights = {f"{last}sample_weight": compute_sample_weight("balanced", targets)}
    else:
        weights = {}
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # The MLP intentionally stops after its epochs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train_features, targets, **weights)
    logits = np.full((len(test_features), task.outputs), -np.inf)
    with np.errstate(divide="ignore"):
        logits[:, model.classes_] = np.log(model.predict_proba(test_features))
    return logits


def _model(kind: str, *, classification: bool, seed: int) -> Any:
    match kind:
        case "majority":
            from sklearn.dummy import DummyClassifier, DummyRegressor

            return DummyClassifier(strategy="prior") if classification else DummyRegressor()
        case "logistic":
            from sklearn.linear_model import LogisticRegression, Ridge

            return _scaled(LogisticRegression(max_iter=2000) if classification else Ridge())
        case "mlp":
            from sklearn.neural_network import MLPClassifier, MLPRegressor

            # No `early_stopping`: it refuses a tier of a single track.
            network = MLPClassifier if classification else MLPRegressor
            return _scaled(network(HIDDEN_UNITS, max_iter=MLP_EPOCHS, random_state=seed))
        case "boosting":
            from sklearn import ensemble

            if classification:
                return ensemble.HistGradientBoostingClassifier(random_state=seed)
            return ensemble.HistGradientBoostingRegressor(random_state=seed)
    raise UserError(f"There is no baseline named {kind!r}. Baselines: {', '.join(BASELINES)}")


def _scaled(model: Any) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
