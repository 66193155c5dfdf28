"""How well descriptors and the release year alone predict a real table's popularity.

    python examples/real_table.py spotify_songs.csv /tmp/real-table

Takes any table that `deephits import table` takes. Trains the default model and the paper's on the
fields alone, once a seed, and prints macro-F1 and accuracy, or R2 and mean absolute error, beside a
majority baseline and two of scikit-learn's, as mean and standard deviation over the seeds. Each
seed draws a split in which no artist is on both sides; the checkpoint is chosen on the validation
part and every metric is of the test part, which nothing was chosen on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import deephits_keras as dh
from deephits_keras.corpus import Corpus, Split, import_table
from deephits_keras.evaluation.baselines import baseline_metrics
from deephits_keras.features.store import FeatureStore
from deephits_keras.runs.run import Run
from deephits_keras.tasks import get_task

COLUMNS = (
    "acousticness,danceability,duration_ms,energy,instrumentalness,liveness,loudness,"
    "speechiness,tempo,valence,mode,key,release_year"
)
METRICS = {"tiers-3": ("macro_f1", "accuracy"), "regression": ("r2", "mae")}
SETTINGS = {"default": {}, "paper": {"meta": {"columns": COLUMNS}}}
BASELINES = ("majority", "logistic", "boosting")


def metrics_of(corpus: Corpus, folder: Path, task: str, seed: int) -> Iterator[dict[str, object]]:
    """Train both models and fit the baselines on the same tracks; a row of test metrics each."""
    for recipe, settings in SETTINGS.items():
        name = folder / f"{recipe}-{task}-{seed}"
        run = Run(name) if name.exists() else None
        if run is None or not run.finished:
            run = dh.train(
                corpus,
                name,
                recipe=recipe,
                modalities="meta",
                settings=settings,
                task=task,
                seed=seed,
                split={"kind": "artist", "validation": 0.2, "test": 0.2},
            )
        yield {"model": recipe, **run.metrics["parts"]["test"][task]}
    store = FeatureStore.open(corpus, run.encoders["meta"])
    yield from baselines(corpus, run.split, store, task, seed)


def baselines(
    corpus: Corpus, split: Split, store: FeatureStore, task: str, seed: int
) -> Iterator[dict[str, object]]:
    fields = {part: with_key_indicators(store, rows) for part, rows in split.parts.items()}
    popularity = {part: corpus.popularity[rows] for part, rows in split.parts.items()}
    for kind in BASELINES:
        metrics = baseline_metrics(
            get_task(task),
            *(fields["train"], popularity["train"]),
            *(fields["test"], popularity["test"]),
            kind=kind,
            seed=seed,
        )
        yield {"model": kind, **metrics[task]}


def with_key_indicators(store: FeatureStore, rows: np.ndarray) -> np.ndarray:
    fields = store.gather(rows)[0]["fields"]
    key = COLUMNS.split(",").index("key")
    return np.concatenate([fields, np.eye(13)[fields[:, key].astype(int)]], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    corpus = import_table(arguments.table, arguments.folder / "corpus").corpus
    print(f"{len(corpus):,} tracks, median popularity {np.median(corpus.popularity):.0f}")
    for task, names in METRICS.items():
        rows = [
            row
            for seed in range(arguments.seeds)
            for row in metrics_of(corpus, arguments.folder, task, seed)
        ]
        groups = pd.DataFrame(rows).groupby("model", sort=False)
        table = pd.DataFrame(
            {
                name: groups[name].mean().map("{:.3f}".format)
                + " +- "
                + groups[name].std().map("{:.3f}".format)
                for name in names
            }
        )
        print(f"\n{task}, test part, artists disjoint, {arguments.seeds} seeds")
        print(table.to_string())


if __name__ == "__main__":
    main()
