"""Recipes with scikit-learn models on the encoders' columns, fitted to the training part only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn import dummy, ensemble, linear_model, svm
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.superstars import SUPERSTARS, superstars
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import training_features
from deephits_keras.recipes import Recipe
from deephits_keras.tasks import Task
from deephits_keras.types import FloatArray, IntArray

MODELS: dict[str, tuple[type, type, bool]] = {
    "majority": (dummy.DummyClassifier, dummy.DummyRegressor, False),
    "boosting": (
        ensemble.HistGradientBoostingClassifier,
        ensemble.HistGradientBoostingRegressor,
        False,
    ),
    "forest": (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor, False),
    "adaboost": (ensemble.AdaBoostClassifier, ensemble.AdaBoostRegressor, False),
    "svm": (svm.SVC, svm.SVR, True),
    "logistic": (linear_model.LogisticRegression, linear_model.Ridge, True),
}
"""Classifier, regressor and whether columns must be scaled, by name of the estimator."""

SEEDED = ("boosting", "forest", "adaboost", "svm")


def shallow_outputs(
    recipe: Recipe,
    corpus: Corpus,
    encoders: Mapping[str, AnyEncoder],
    split: Split,
    task: Task,
    *,
    seed: int,
) -> dict[str, FloatArray]:
    """Fit a shallow recipe to the training part, and predict the held-out parts.

    Args:
        recipe: A recipe with an estimator.
        corpus: The corpus.
        encoders: Its encoders with extracted features, by modality.
        split: The split.
        task: The task.
        seed: Random seed of the model.

    Returns:
        `(n, task.outputs)` raw outputs of each held-out part, for `Task.decode`.

    Raises:
        UserError: for an unknown estimator or setting.
    """
    settings = dict(recipe.estimator)
    name = str(settings.pop("name", ""))
    derived = settings.pop(SUPERSTARS, None)
    settings.pop("decoding", None)
    if name not in MODELS:
        raise UserError(
            f"The recipe {recipe.name!r}: there is no estimator {name!r}. "
            f"Estimators: {', '.join(MODELS)}"
        )
    table = _columns(corpus, encoders, split.parts["train"])
    if derived is not None:
        table["superstar"] = superstars(corpus, split.parts["train"], **derived)
    values = table.to_numpy(dtype=np.float64)
    train = split.parts["train"]
    known = ~np.isnan(values[train]).all(axis=0)
    values = values[:, known] if known.any() else np.zeros((len(corpus), 1))
    model = _model(recipe, name, settings, task, seed)
    targets = task.targets(corpus.popularity[train])
    if len(np.unique(targets)) == 1:
        model = dummy.DummyClassifier() if task.kind == "classification" else model
    model.fit(values[train], targets)
    return {
        part: _outputs(model, values[rows], task)
        for part, rows in split.parts.items()
        if part != "train"
    }


def _columns(corpus: Corpus, encoders: Mapping[str, AnyEncoder], train: IntArray) -> pd.DataFrame:
    rows = np.arange(len(corpus))
    tables = []
    for modality, encoder in encoders.items():
        store = FeatureStore.open(corpus, encoder)
        popularity = corpus.popularity if encoder.needs_popularity else None
        encoder.adapt(training_features(store, train, popularity=popularity))
        features, present = store.gather(rows)
        learned = dict(encoder.learned_columns(features))
        columns = pd.DataFrame(learned, index=rows).astype(np.float64)
        tables.append(columns.add_prefix(f"{modality}.").where(pd.Series(present), np.nan))
    return pd.concat([pd.DataFrame(index=rows), *tables], axis=1)


def _model(recipe: Recipe, name: str, settings: Mapping[str, Any], task: Task, seed: int) -> Any:
    classifier, regressor, scaled = MODELS[name]
    made = classifier if task.kind == "classification" else regressor
    drawn = {"random_state": seed} if name in SEEDED and made is not svm.SVR else {}
    try:
        model = made(**settings, **drawn)
    except TypeError as error:
        raise UserError(f"The recipe {recipe.name!r}: {name}: {error}") from error
    if scaled:
        return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    if name == "boosting":
        return model
    return make_pipeline(SimpleImputer(keep_empty_features=True), model)


def _outputs(model: Any, values: FloatArray, task: Task) -> FloatArray:
    if task.kind == "regression":
        predicted: FloatArray = model.predict(values)
        return np.clip(predicted, 0, 1)[:, np.newaxis]
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    logits = np.full((len(values), task.outputs), -np.inf)
    if isinstance(last, svm.SVC):
        # Margins are consistent with its predictions; scikit-learn's probabilities need five
        # further fits and may contradict them.
        margins = model.decision_function(values)
        margins = np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
        logits[:, last.classes_] = margins
        return logits
    with np.errstate(divide="ignore"):
        logits[:, last.classes_] = np.log(model.predict_proba(values))
    return logits
