"""LightGBM and CatBoost with early stopping and a random search, in an environment of its own.

python benchmarks/trees.py TABLE FOLDER --model lightgbm --classes 3 --seed 0 --trials 30

TABLE is a Parquet file with the columns `part` and `target`; words are categories, the rest are
numbers. Each trial writes FOLDER/trial-N.npz, once: outputs for the validation and test parts, and
the validation loss. Trial 0 has the library's defaults (LightGBM: learning rate 0.05).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd

TREES, PATIENCE = 3000, 50
"""Most trees, and how many without a better validation loss end the fit."""

Array = np.ndarray[Any, Any]


def log_uniform(draw: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def settings_of(model: str, trial: int, seed: int) -> dict[str, Any]:
    """The settings of a trial, independent of other trials."""
    if trial == 0:
        return {"learning_rate": 0.05} if model == "lightgbm" else {}
    draw = np.random.default_rng([seed, trial])
    if model == "lightgbm":
        return {
            "learning_rate": log_uniform(draw, 0.01, 0.2),
            "num_leaves": int(log_uniform(draw, 7, 128)),
            "min_child_samples": int(log_uniform(draw, 5, 100)),
            "colsample_bytree": draw.uniform(0.4, 1.0),
            "subsample": draw.uniform(0.5, 1.0),
            "subsample_freq": 1,
            "reg_alpha": log_uniform(draw, 1e-3, 10),
            "reg_lambda": log_uniform(draw, 1e-3, 10),
        }
    return {
        "learning_rate": log_uniform(draw, 0.02, 0.2),
        "depth": int(draw.integers(4, 9)),
        "l2_leaf_reg": log_uniform(draw, 1, 30),
        "random_strength": log_uniform(draw, 0.1, 10),
        "bagging_temperature": draw.uniform(0, 1),
    }


class Table:
    """Columns, targets and parts of one split.

    Args:
        path: A Parquet file.
        classes: Number of tiers; 0 for a regression.
    """

    def __init__(self, path: Path, classes: int) -> None:
        table = pd.read_parquet(path)
        self.classes = classes
        self.target = table.pop("target").to_numpy()
        if classes:
            self.target = self.target.astype(int)
        part = table.pop("part").to_numpy()
        self.rows = {name: np.flatnonzero(part == name) for name in ("train", "validation", "test")}
        self.words = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
        self.columns = table
        # Validation tracks of a tier that training lacks are refused by both.
        stopping = self.rows["validation"]
        if classes:
            known = np.isin(self.target[stopping], self.target[self.rows["train"]])
            stopping = stopping[known]
        self.stopping = stopping

    def part(self, rows: Array) -> tuple[pd.DataFrame, Array]:
        """Columns and targets of some rows."""
        return self.columns.iloc[rows], self.target[rows]

    def outputs(self, model: Any, rows: Array) -> Array:
        """Predicted targets `(n,)`, or class scores `(n, classes)`."""
        columns = self.columns.iloc[rows]
        if not self.classes:
            return np.asarray(model.predict(columns))
        scores = np.zeros((len(rows), self.classes))
        scores[:, np.asarray(model.classes_, dtype=int)] = model.predict_proba(columns)
        return scores

    def loss(self, outputs: Array) -> float:
        """Mean squared error, or log loss, of the validation part."""
        truth = self.target[self.rows["validation"]]
        if not self.classes:
            return float(np.mean((outputs - truth) ** 2))
        return float(-np.log(outputs[np.arange(len(truth)), truth] + 1e-9).mean())


def with_lightgbm(table: Table, settings: dict[str, Any], seed: int) -> Any:
    """Fit LightGBM; words are its categories."""
    for name in table.words:
        words = sorted(set(table.columns[name].iloc[table.rows["train"]].dropna()))
        table.columns[name] = pd.Categorical(table.columns[name], categories=words)
    kind = lightgbm.LGBMClassifier if table.classes else lightgbm.LGBMRegressor
    model = kind(n_estimators=TREES, random_state=seed, n_jobs=1, verbose=-1, **settings)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model.fit(
        *table.part(table.rows["train"]), eval_set=[table.part(table.stopping)], callbacks=[stop]
    )
    return model


def with_catboost(table: Table, settings: dict[str, Any], seed: int) -> Any:
    """Fit CatBoost; words are its categories, at most its default number of trees."""
    for name in table.words:
        table.columns[name] = table.columns[name].fillna("").astype(str)
    kind = catboost.CatBoostClassifier if table.classes else catboost.CatBoostRegressor
    model = kind(
        random_seed=seed,
        thread_count=1,
        verbose=0,
        early_stopping_rounds=PATIENCE,
        cat_features=table.words,
        allow_writing_files=False,
        **settings,
    )
    model.fit(*table.part(table.rows["train"]), eval_set=table.part(table.stopping))
    return model


MODELS = {"lightgbm": with_lightgbm, "catboost": with_catboost}


def main() -> None:
    """Run the trials that aren't there yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trials", type=int, required=True)
    asked = parser.parse_args()
    for trial in range(asked.trials):
        path = asked.folder / f"trial-{trial}.npz"
        if path.exists():
            continue
        table = Table(asked.table, asked.classes)
        settings = settings_of(asked.model, trial, asked.seed)
        wall, cpu = time.perf_counter(), time.process_time()
        model = MODELS[asked.model](table, settings, asked.seed)
        cost = time.perf_counter() - wall, time.process_time() - cpu
        said = {name: table.outputs(model, table.rows[name]) for name in ("validation", "test")}
        unfinished = asked.folder / "unfinished.npz"
        np.savez(
            unfinished,
            loss=table.loss(said["validation"]),
            wall=cost[0],
            cpu=cost[1],
            settings=json.dumps(settings),
            **said,
        )
        unfinished.replace(path)


if __name__ == "__main__":
    main()
