"""Effect of a temperature, prediction sets and an ensemble on held-out tracks.

    python examples/calibration.py corpus out --modalities meta --task tiers-3

Draws the splits of the holdout protocol (70 % training, 10 % validation, 20 % test), one per seed;
trains an ensemble on each; fits temperature and sets on the validation tracks, and prints metrics
of the test tracks: mean and standard deviation over the splits, for single members (their mean) and
for the ensemble. After an interruption, the same command continues.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import betabinom

from deephits_keras.corpus import Corpus
from deephits_keras.evaluation.calibration import calibrate
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import Task
from deephits_keras.training.trainer import new_run, train

COVERAGE = 0.9
TIER_METRICS = ("macro_f1", "accuracy", "log_loss", "ece")
REGRESSION_METRICS = ("mae", "r2")
TRAINING = ("epochs", "batch_size", "max_learning_rate")


def trained(corpus: Corpus, folder: Path, options: argparse.Namespace, seed: int) -> Run:
    """The finished ensemble of a split, without temperature."""
    if not folder.exists():
        encoders = corpus_encoders(corpus, options.modalities)
        for encoder in encoders.values():
            extract_features(corpus, encoder, jobs=1)
        training = TrainingConfig(
            **{name: getattr(options, name) for name in TRAINING},
            seed=seed * options.members,
            ensemble=options.members,
            calibrate="none",
            coverage=0.0,
        )
        split = PROTOCOLS["holdout"].draw(corpus, seed)
        new_run(folder, corpus, encoders, split, task=options.task, training=training)
    if not Run(folder).finished:
        train(Run(folder), corpus)
    return Run(folder)


def outputs_of(folder: Path, part: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """True popularity and raw outputs (logarithms of the scores are logits) of a run's part."""
    table = pd.read_parquet(folder / "predictions.parquet")
    table = table[table["part"] == part]
    scores = table.filter(regex=r"^score_\d+$").to_numpy()
    outputs = np.log(np.maximum(scores, 1e-30))
    if not scores.size:
        outputs = table[["predicted_popularity"]].to_numpy() / 100
    return table["popularity"].to_numpy(), outputs


def rows_of(run: Run) -> Iterator[dict[str, Any]]:
    """A row of test metrics for each member and for the ensemble, with and without temperature."""
    folders = [("member", run.folder / name) for name in run.config.members]
    for model, folder in [*folders, ("ensemble", run.folder)]:
        for temperature in (False, True) if run.task.kind == "classification" else (False,):
            row = test_metrics(run.task, folder, temperature=temperature)
            yield {"model": model, "temperature": "auto" if temperature else "none", **row}


def test_metrics(task: Task, folder: Path, *, temperature: bool) -> dict[str, Any]:
    chosen_on, outputs = outputs_of(folder, "validation")
    found = calibrate(task, chosen_on, outputs, temperature=temperature, coverage=COVERAGE)
    popularity, outputs = outputs_of(folder, "test")
    prediction = task.decode(found.scale(outputs))
    metrics = evaluate(task, popularity, prediction)
    classifies = task.kind == "classification"
    main = metrics[task.tiers.name if classifies else "regression"]
    return {
        **{name: main[name] for name in (TIER_METRICS if classifies else REGRESSION_METRICS)},
        **found.metrics(task, popularity, prediction),
        "kept": float(found.kept),
        "validation": len(chosen_on),
        "test": len(popularity),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--modalities", default="meta")
    parser.add_argument("--task", default="tiers-3")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=3)
    defaults = dataclasses.asdict(TrainingConfig())
    for name in TRAINING:
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(defaults[name]), default=defaults[name])
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    rows = []
    for seed in range(options.seeds):
        run = trained(corpus, options.folder / options.task / f"split-{seed}", options, seed)
        rows += [{"split": seed, **row} for row in rows_of(run)]
    print_summary(options.task, pd.DataFrame(rows))


def print_summary(task: str, rows: pd.DataFrame) -> None:
    n, m, splits = rows["validation"].iloc[0], rows["test"].iloc[0], rows["split"].nunique()
    by_split = rows.drop(columns=["validation", "test"])
    by_split = by_split.groupby(["model", "temperature", "split"], sort=False).mean()
    groups = by_split.groupby(level=[0, 1], sort=False)
    shown = groups.mean().map("{:.4f}".format) + " ± " + groups.std().map("{:.4f}".format)
    print(f"{task}, {n} validation and {m} test tracks, {splits} splits")
    print(shown.T.to_string())
    gaps = by_split.drop(columns="kept")
    single, ensemble = gaps.loc["member"], gaps.loc["ensemble"]
    print_gap("ensemble less member", ensemble.loc["none"] - single.loc["none"])
    if "auto" in single.index:
        print_gap("member, with less without temperature", single.loc["auto"] - single.loc["none"])
        print_gap("ensemble, the same", ensemble.loc["auto"] - ensemble.loc["none"])
    rank = math.ceil((n + 1) * COVERAGE)
    spread = betabinom(m, rank, n + 1 - rank).std() / m
    print(
        f"coverage {COVERAGE:.0%} stated; of a split {rank / (n + 1):.4f} ± {spread:.4f} expected"
    )


def print_gap(title: str, gap: pd.DataFrame) -> None:
    """A difference split by split, with in how many splits it is below 0."""
    words = [
        f"{name} {values.mean():+.4f} ± {values.std():.4f} (below 0: {(values < 0).sum()})"
        for name, values in gap.items()
    ]
    print(f"{title}: {'; '.join(words)}")


if __name__ == "__main__":
    main()
