"""What a temperature, sets of stated coverage and an ensemble are worth on tracks not yet seen.

    python examples/calibration.py corpus out --modalities meta --task tiers-3

Draws the splits of the holdout protocol (70 % training, 10 % validation, 20 % test), one a seed;
trains the members of an ensemble on each; fits temperature and sets on the validation tracks, and
prints figures of the test tracks: mean and standard deviation over the splits, a member alone (mean
of the members) beside the ensemble. A second start goes on where the first was stopped.
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
from scipy.special import logsumexp
from scipy.stats import betabinom

from deephits_keras.corpus import Corpus
from deephits_keras.corpus.extraction import corpus_encoders, extract_features
from deephits_keras.evaluation.calibration import calibrate
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.runs import Run
from deephits_keras.tasks import get_task
from deephits_keras.training.config import TrainingConfig
from deephits_keras.training.trainer import new_run, train

Outputs = dict[str, np.ndarray[Any, Any]]
COVERAGE = 0.9
TIER_FIGURES = ("macro_f1", "accuracy", "log_loss", "ece")


def members(
    corpus: Corpus, folder: Path, options: argparse.Namespace, split_seed: int
) -> Iterator[Path]:
    """Train the members on one split, each with a seed of its own; their run folders."""
    encoders = corpus_encoders(corpus, options.modalities)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    split = PROTOCOLS["holdout"].draw(corpus, split_seed)
    for member in range(options.members):
        training = TrainingConfig(
            epochs=options.epochs,
            batch_size=options.batch_size,
            max_learning_rate=options.max_learning_rate,
            seed=split_seed * options.members + member,
            calibrate="none",
        )
        run = folder / f"split-{split_seed}" / f"seed-{training.seed}"
        if not run.exists():
            new_run(run, corpus, encoders, split, task=options.task, training=training)
        if not Run(run).finished:
            train(Run(run), corpus)
        yield run


def outputs_of(run: Path, part: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """True popularity and raw outputs (logarithms of the scores are logits) of a run's part."""
    table = pd.read_parquet(run / "predictions.parquet")
    table = table[table["part"] == part]
    scores = table.filter(regex=r"^score_\d+$").to_numpy()
    if not scores.size:
        return table["popularity"].to_numpy(), table[["predicted_popularity"]].to_numpy() / 100
    return table["popularity"].to_numpy(), np.log(np.maximum(scores, 1e-30))


def averaged(outputs: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """An ensemble's outputs from its members'."""
    stacked = np.stack(outputs)
    if stacked.shape[2] == 1:
        return stacked.mean(axis=0)
    return logsumexp(stacked, axis=0) - math.log(len(outputs))


def rows_of(task_name: str, runs: list[Path]) -> Iterator[dict[str, Any]]:
    """A row for each model of a split, with and without temperature."""
    task = get_task(task_name)
    parts = {p: [outputs_of(run, p) for run in runs] for p in ("validation", "test")}
    truth = {part: pairs[0][0] for part, pairs in parts.items()}
    said = {part: [outputs for _, outputs in pairs] for part, pairs in parts.items()}
    models = {f"member {n}": {p: o[n] for p, o in said.items()} for n in range(len(runs))}
    models["ensemble"] = {part: averaged(outputs) for part, outputs in said.items()}
    for name, outputs in models.items():
        for temperature in (False, True) if task.kind == "classification" else (False,):
            found = calibrate(
                task,
                truth["validation"],
                outputs["validation"],
                temperature=temperature,
                coverage=COVERAGE,
            )
            prediction = task.decode(found.scale(outputs["test"]))
            figures = evaluate(task, truth["test"], prediction)
            main = figures[task.tiers.name if task.kind == "classification" else "regression"]
            wanted = TIER_FIGURES if task.kind == "classification" else ("mae", "r2")
            yield {
                "model": name.split()[0],
                "temperature": "auto" if temperature else "none",
                **{figure: main[figure] for figure in wanted},
                "kept": float(found.kept),
                "T": found.temperature if temperature else 1.0,
                **found.figures(task, truth["test"], prediction),
                "validation": len(truth["validation"]),
                "test": len(truth["test"]),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--modalities", default="meta")
    parser.add_argument("--task", default="tiers-3")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, default=3)
    defaults = {f.name: f.default for f in dataclasses.fields(TrainingConfig)}
    for name in ("epochs", "batch_size", "max_learning_rate"):
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(defaults[name]), default=defaults[name])
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    rows = []
    for seed in range(options.seeds):
        runs = list(members(corpus, options.folder / options.task, options, seed))
        rows += [{"split": seed, **row} for row in rows_of(options.task, runs)]
    table = pd.DataFrame(rows)
    n, m = table["validation"].iloc[0], table["test"].iloc[0]
    by_split = table.groupby(["model", "temperature", "split"], sort=False).mean()
    groups = by_split.drop(columns=["validation", "test"]).groupby(level=[0, 1], sort=False)
    shown = groups.mean().map("{:.4f}".format) + " ± " + groups.std().map("{:.4f}".format)
    print(f"{options.task}, {n} validation and {m} test tracks, {options.seeds} splits")
    print(shown.T.to_string())
    compare(by_split)
    rank = math.ceil((n + 1) * COVERAGE)
    spread = betabinom(m, rank, n + 1 - rank).std() / m
    print(
        f"coverage stated {COVERAGE:.0%}: of a split {rank / (n + 1):.4f} ± {spread:.4f} expected"
    )


def compare(by_split: pd.DataFrame) -> None:
    """Differences split by split, with how many of the splits have each sign."""
    single, ensemble = (by_split.loc[name] for name in ("member", "ensemble"))
    pairs = {"ensemble - member": ensemble.loc["none"] - single.loc["none"]}
    if "auto" in single.index:
        pairs["member, temperature auto - none"] = single.loc["auto"] - single.loc["none"]
        pairs["ensemble, temperature auto - none"] = ensemble.loc["auto"] - ensemble.loc["none"]
    for title, gap in pairs.items():
        gap = gap.drop(columns=["validation", "test", "kept", "T"])
        words = [
            f"{name} {values.mean():+.4f} ± {values.std():.4f} ({(values < 0).sum()} below 0)"
            for name, values in gap.items()
        ]
        print(f"{title}: {'; '.join(words)}")


if __name__ == "__main__":
    main()
