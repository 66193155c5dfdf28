"""How well descriptors and the release year alone predict a real table's popularity.

    python examples/real_table.py spotify_songs.csv /tmp/real-table

Takes any table that `deephits import table` takes. Trains the numeric branch alone with the
paper's settings, once a seed, and prints macro-F1 and accuracy, or R2 and mean absolute error,
beside a majority baseline and two of scikit-learn's, as mean and standard deviation over the
seeds. Each seed draws a split in which no artist is on both sides; the checkpoint is chosen on the
validation part and every metric is of the test part, which nothing was chosen on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from deephits_keras.corpus import Corpus, Split, import_table, make_split
from deephits_keras.evaluation.baselines import baseline_metrics
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.training.trainer import new_run, train
from deephits_keras.utils.files import read_json

COLUMNS = (
    "acousticness,danceability,duration_ms,energy,instrumentalness,liveness,loudness,"
    "speechiness,tempo,valence,mode,key,release_year"
)
METRICS = {"tiers-3": ("macro_f1", "accuracy"), "regression": ("r2", "mae")}
BASELINES = ("majority", "logistic", "boosting")


def metrics_of(corpus: Corpus, folder: Path, task: str, seed: int) -> Iterator[dict[str, object]]:
    """Train once and fit the baselines on the same tracks; a row of test metrics for each."""
    encoders = corpus_encoders(corpus, "meta", {"meta": {"columns": COLUMNS}})
    extract_features(corpus, encoders["meta"], jobs=1)
    split = make_split("artist", corpus, seed=seed, validation=0.2, test=0.2)
    run = folder / f"{task}-{seed}"
    if not (run / "metrics.json").exists():
        training = TrainingConfig(seed=seed)
        train(new_run(run, corpus, encoders, split, task=task, training=training), corpus)
    parts = read_json(run / "metrics.json", "a finished run")["parts"]
    yield {"model": "deephits, meta only", **parts["test"][task]}
    yield from baselines(corpus, split, FeatureStore.open(corpus, encoders["meta"]), task, seed)


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
