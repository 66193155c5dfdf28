"""The capacity-controlled shallow baselines (Tables 6, A4, A8 and A9), with scikit-learn.

Each set of columns is evaluated with the same family of classifiers on the same stratified 80/20
split of a seed. The encoders provide the columns (`ModalityEncoder.tabular`) and their groups.

    OUT/shallow/<family>/<task>/seed-<n>.json     every metric of one split
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from deephits_keras.corpus.splits import make_split
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.evaluation.baselines import class_logits
from deephits_keras.evaluation.metrics import macro_f1, per_tier_recall, tier_metrics
from deephits_keras.features.store import FeatureStore
from deephits_keras.reproduction.variants import column_groups
from deephits_keras.tasks import Task, get_task
from deephits_keras.types import FloatArray, IntArray
from deephits_keras.utils.files import read_record, write_json
from deephits_keras.utils.progress import progress

FAMILY = "logistic"
"""The default family. The paper doesn't name its own; logistic regression is the simplest with
softmax outputs and scikit-learn's `class_weight`, both of which the paper mentions."""

EARLY, LATE, WEIGHTED = "early fusion", "late fusion", "early fusion, class-weighted"

SENSITIVITY = {
    "without speechiness": ("speechiness",),
    "without liveness": ("liveness",),
    "without both": ("speechiness", "liveness"),
}
"""Table A8: the fields that Essentia doesn't provide (Section 2.1)."""

TASKS_OF_TABLE = {
    "6": ("tiers-10",),
    "A4": ("tiers-10",),
    "A8": ("tiers-3", "tiers-10"),
    "A9": ("tiers-5",),
}
VALIDATION = 0.2
TUNING = 0.2
"""Fraction of the training tracks on which late fusion's weights are tuned."""
WEIGHT_STEPS = 10
"""Late fusion's weights are multiples of one over this; the paper uses 0.9."""


@dataclass(frozen=True)
class Columns:
    """A corpus as a table of numbers.

    Attributes:
        table: One row per track, columns `modality.name`, NaN where unknown.
        groups: Names of the columns of each part of the input.
    """

    table: pd.DataFrame
    groups: Mapping[str, Sequence[str]]

    def of(self, names: Sequence[str]) -> FloatArray:
        """`(tracks, columns)` of the given columns."""
        values: FloatArray = self.table[list(names)].to_numpy(dtype=np.float64)
        return values

    def without(self, fields: Sequence[str]) -> FloatArray:
        """`(tracks, columns)` of all columns except those of the given fields."""
        return self.of([c for c in self.names if _field(c) not in fields])

    def sources(self) -> dict[str, Columns]:
        """Groups of different modalities with the same fields, each without the others.

        Returns:
            For each such group, the columns without those of the other groups; empty if there is
            none.
        """
        rivals = {
            group: [g for g in self.groups if self._rivals(group, g)] for group in self.groups
        }
        return {g: self._with(g, list(others)) for g, others in rivals.items() if others}

    def _rivals(self, group: str, other: str) -> bool:
        first, second = self.groups[group], self.groups[other]
        modalities = [{_modality(c) for c in names} for names in (first, second)]
        shared = {_field(c) for c in first} & {_field(c) for c in second}
        return bool(shared) and modalities[0] != modalities[1]

    def _with(self, group: str, rivals: Sequence[str]) -> Columns:
        groups = {g: names for g, names in self.groups.items() if g not in rivals}
        left_out = {c for rival in rivals for c in self.groups[rival]}
        return Columns(self.table[[c for c in self.names if c not in left_out]], groups)

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [str(column) for column in self.table]

    @property
    def fields(self) -> set[str]:
        """The fields from which the columns are computed."""
        return {_field(c) for c in self.names}


def _modality(column: str) -> str:
    return column.partition(".")[0]


def _field(column: str) -> str:
    return column.partition(".")[2].partition("=")[0]


def base_row(source: str) -> str:
    """Name of the early fusion to which a sensitivity result is compared.

    Args:
        source: A key of `Columns.sources`, or empty for all columns.
    """
    return f"{EARLY} with {source}" if source else EARLY


def sensitivity_rows(source: str) -> dict[str, str]:
    """Name of the row of each entry of `SENSITIVITY`; see `base_row`."""
    return {name: f"{source} {name}".strip() for name in SENSITIVITY}


def read_columns(corpus: Corpus, encoders: Mapping[str, AnyEncoder]) -> Columns:
    """The columns of every encoder that provides any, without empty columns.

    Args:
        corpus: The corpus with extracted features.
        encoders: The encoders, by modality.

    Raises:
        UserError: if no encoder provides columns.
    """
    groups = column_groups(encoders)
    if not groups:
        raise UserError(
            f"The shallow baselines need columns, and no encoder of {', '.join(encoders)} gives "
            "any: add a modality that does with --modalities"
        )
    owners = {_modality(name) for names in groups.values() for name in names}
    tables = [_columns_of(corpus, m, encoders[m]) for m in encoders if m in owners]
    table = pd.concat(tables, axis=1).dropna(axis=1, how="all")
    known = {group: [c for c in names if c in table] for group, names in groups.items()}
    return Columns(table, {group: names for group, names in known.items() if names})


def _columns_of(corpus: Corpus, modality: str, encoder: AnyEncoder) -> pd.DataFrame:
    features, present = FeatureStore.open(corpus, encoder).gather(np.arange(len(corpus)))
    table = pd.DataFrame(encoder.tabular(features)).astype(np.float64).add_prefix(f"{modality}.")
    return table.where(pd.Series(present), np.nan)


def run_shallow(
    corpus: Corpus,
    columns: Columns,
    out: Path,
    tables: Iterable[str],
    seeds: Iterable[int],
    *,
    families: Sequence[str] = (FAMILY,),
    jobs: int = 1,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Evaluate every set of columns for the tasks of some tables; finished results are kept.

    Args:
        corpus: The corpus.
        columns: Its columns.
        out: The reproduction's folder.
        tables: Names in `TASKS_OF_TABLE`.
        seeds: Random seeds; each gives a split and initial classifiers.
        families: Names in `evaluation.baselines.FAMILIES`.
        jobs: Number of processes; -1: one per core.
        meanwhile: Called in this process while the others are at work.

    Raises:
        UserError: if the corpus is too small to be split.
    """
    tasks = dict.fromkeys(task for table in tables for task in TASKS_OF_TABLE[table])
    wanted = list(itertools.product(families, seeds, tasks))
    waiting = [each for each in wanted if not _file(out, *each).exists()]
    # Workers may have been started in another working directory.
    folder = corpus.folder.resolve()
    work = (joblib.delayed(_measured)(folder, columns, *each) for each in waiting)
    processes = min(joblib.effective_n_jobs(jobs), max(1, len(waiting)))
    done = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")(work)
    meanwhile()
    for result in progress(done, total=len(waiting), what="shallow baselines"):
        write_json(_file(out, result["family"], result["seed"], result["task"]), result)


def _measured(folder: Path, columns: Columns, family: str, seed: int, task: str) -> dict[str, Any]:
    # The order of additions, and with it the last digits, depends on the number of threads.
    with threadpool_limits(1):
        return measure(Corpus.open(folder), columns, get_task(task), seed, family=family)


def _file(out: Path, family: str, seed: int, task: str) -> Path:
    return out / "shallow" / family / task / f"seed-{seed}.json"


def read_shallow(out: Path) -> list[dict[str, Any]]:
    """The finished results of `measure` by family, task and seed, in a fixed order."""
    results = [
        read_record(path, dict[str, Any], "a result")
        for path in out.glob("shallow/*/*/seed-*.json")
    ]
    return sorted(results, key=lambda r: (r["family"], r["task"], r["seed"]))


def measure(
    corpus: Corpus, columns: Columns, task: Task, seed: int, *, family: str = FAMILY
) -> dict[str, Any]:
    """Metrics of every set of columns on one split, as JSON types.

    Returns:
        `rows`: metrics of each set of columns; `recall`: recall per tier of the early fusions
        (Figure A1); `weights`: tuned weights of late fusion; `sources`: groups of columns with the
        same fields, each used without the others in Table A8.
    """
    split = make_split("stratified", corpus, seed=seed, validation=VALIDATION, tiers=task.tiers)
    train, held_out = split.parts["train"], split.parts["validation"]
    popularity = corpus.popularity

    def logits(values: FloatArray, *, balanced: bool = False) -> FloatArray:
        return class_logits(
            task,
            values[train],
            popularity[train],
            values[held_out],
            kind=family,
            seed=seed,
            balanced=balanced,
        )

    everything = columns.of(columns.names)
    said = {f"{group}-only": logits(columns.of(names)) for group, names in columns.groups.items()}
    alone = list(said.values())
    said[EARLY] = logits(everything)
    weights: dict[str, float] = {}
    if len(alone) > 1:
        chosen = _tune(columns, task, train, popularity[train], family, seed)
        weights = dict(zip(columns.groups, chosen, strict=True))
        said[LATE] = _weighted(alone, chosen)
    said[WEIGHTED] = logits(everything, balanced=True)
    sources = columns.sources()
    for source, of_source in (sources or {"": columns}).items():
        if source:
            said[base_row(source)] = logits(of_source.of(of_source.names))
        for name, row in sensitivity_rows(source).items():
            fields = set(SENSITIVITY[name])
            if of_source.fields > fields:
                said[row] = logits(of_source.without(SENSITIVITY[name]))

    truth = task.tiers.of(popularity[held_out])
    decoded = {name: task.decode(values) for name, values in said.items()}
    return {
        "family": family,
        "task": task.name,
        "seed": seed,
        "tracks": {"train": len(train), "validation": len(held_out)},
        "rows": {
            name: tier_metrics(truth, found.tiers(task.tiers), found.scores, task.tiers)
            for name, found in decoded.items()
        },
        "recall": {
            name: per_tier_recall(truth, decoded[name].tiers(task.tiers), task.tiers)
            for name in (EARLY, WEIGHTED)
        },
        "weights": weights,
        "sources": list(sources),
    }


def _weighted(logits: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """Logarithm of the weighted average of class scores."""
    scores: FloatArray = np.einsum("mnk,m->nk", np.exp(np.stack(logits)), np.asarray(weights))
    with np.errstate(divide="ignore"):
        logarithms: FloatArray = np.log(scores)
    return logarithms


def _tune(
    columns: Columns, task: Task, train: IntArray, popularity: FloatArray, family: str, seed: int
) -> tuple[float, ...]:
    """The weights with the best macro-F1 on a part of the training tracks.

    The paper tunes on the held-out split itself, which favours late fusion.
    """
    fitted, tuned, known, judged = train_test_split(
        train, popularity, test_size=TUNING, random_state=seed
    )
    logits = [
        class_logits(task, values[fitted], known, values[tuned], kind=family, seed=seed)
        for values in (columns.of(names) for names in columns.groups.values())
    ]
    truth = task.tiers.of(judged)

    def merit(weights: tuple[float, ...]) -> float:
        return macro_f1(truth, task.decode(_weighted(logits, weights)).tiers(task.tiers))

    return max(_weight_grid(len(logits)), key=merit)


def _weight_grid(groups: int) -> Iterable[tuple[float, ...]]:
    """All weights of the groups that add up to 1 in steps of 0.1, the most equal first."""
    steps = range(WEIGHT_STEPS + 1)
    grid = (
        (*w, WEIGHT_STEPS - sum(w))
        for w in itertools.product(steps, repeat=groups - 1)
        if sum(w) <= WEIGHT_STEPS
    )
    ordered = sorted(grid, key=lambda w: max(w) - min(w))
    return [tuple(x / WEIGHT_STEPS for x in w) for w in ordered]
