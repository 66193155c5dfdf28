"""The default model beside boosted trees on the fields of real corpora: `accuracy CORPUS ...`.

python -m benchmarks accuracy corpus spotify --out results --seeds 0,1,2 --trials 30
python -m benchmarks accuracy corpus --out results --splits random,date
python -m benchmarks accuracy corpus --out results --tracks 500,1000,2000
python -m benchmarks accuracy corpus --out results --modalities mel,lyrics,meta

Every system has the same fields and the same split (60/20/20, by artist unless told otherwise).
With `--modalities`, the default has these, and the trees the fields alone all the same.
With `--tracks`, that many of the tracks outside the test part are for training and validation. The
trees get early stopping, a random search on the validation part, and the decoding of tiers fitted
as the default's is. FOLDER/results.jsonl is appended to, and what stands there isn't measured
again. `--show` prints the tables of what is there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from deephits_plugins.tabular import Tabular
from scipy import stats

from benchmarks.builds import environment, present
from deephits_keras.choices import MACRO_F1
from deephits_keras.corpus import Corpus
from deephits_keras.corpus.splits import make_split
from deephits_keras.corpus.table import write_corpus
from deephits_keras.errors import UserError
from deephits_keras.evaluation.decoding import fit_decoding
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.recipes import choose
from deephits_keras.runs.run import Run
from deephits_keras.tasks import Task, get_task

RESULTS = "results.jsonl"
TASKS = ("regression", "tiers-3", "tiers-10")
PART = "part"
"""The column that tells the test part of a corpus with fewer tracks."""

DEFAULT = "default"
TREES = ("lightgbm", "catboost")
MODELS = (DEFAULT, *TREES)
SPLITS = ("artist", "random", "date")
NEEDS = (
    "lightgbm==4.6.0",
    "catboost==1.2.8",
    "scikit-learn==1.7.2",
    "pandas==2.3.3",
    "pyarrow==21.0.0",
    "numpy<2.4",
)
"""What the trees' environment has."""

METRICS = {"regression": ("regression", "r2"), "tiers-3": ("tiers-3", "macro_f1")}
METRICS["tiers-10"] = ("tiers-10", "macro_f1")
"""Group and name of the compared metric of each task."""


@dataclass(frozen=True)
class Case:
    """One system on one split.

    Attributes:
        corpus: Folder of the corpus.
        seed: Seed of the split and the system.
        task: Name of the task.
        model: `default` or a name of `TREES`.
        trials: Number of settings that are tried; 1 for the default.
        split: `artist`, `random` or `date`: how the test part is drawn.
        tracks: Number of tracks for training and validation; 0 for all outside the test part.
        modalities: What the default reads.
    """

    corpus: str
    seed: int
    task: str
    model: str
    trials: int
    split: str = "artist"
    tracks: int = 0
    modalities: str = "meta"

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies its result."""
        folder = Path(self.corpus).resolve()
        # Many corpora are in a folder named `corpus`.
        name = f"{folder.parent.name}/{folder.name}"
        tracks = Corpus.open(folder).fingerprint[:8]
        own = (self.seed, self.task, self.model, self.trials, self.split, self.tracks)
        return (name, tracks, *own, self.modalities)

    @property
    def words(self) -> tuple[str | float, ...]:
        """Options of `deephits train` that draw the split of `self.made`'s corpus."""
        if self.tracks:
            return ("--split", "group", "--by", PART, "--held-out", "test", "--validation", 0.25)
        return ("--split", self.split, "--test", 0.2)

    @property
    def parts(self) -> dict[str, Any]:
        """Rows of each part of `self.made`'s corpus."""
        corpus = Corpus.open(self.corpus)
        if self.tracks:
            drawn = {"by": PART, "held_out": "test", "validation": 0.25}
            return make_split("group", corpus, seed=self.seed, **drawn).parts
        return make_split(self.split, corpus, seed=self.seed, test=0.2).parts

    def check(self) -> None:
        """Check that it can be measured.

        Raises:
            UserError: if its corpus or modalities aren't there, or tracks are too few.
        """
        choose(modalities=self.modalities).check_modalities()
        parts = make_split(self.split, Corpus.open(self.corpus), seed=self.seed, test=0.2).parts
        rest = len(parts["train"]) + len(parts["validation"])
        if self.tracks > rest:
            raise UserError(
                f"{self.corpus}, split {self.split}, seed {self.seed}: {rest:,} tracks are outside "
                f"the test part. Asked for: {self.tracks:,}"
            )

    def made(self, folder: Path) -> Case:
        """The same case on a corpus that has no more tracks than it uses.

        Args:
            folder: Where such corpora are kept.
        """
        if not self.tracks:
            return self
        corpus = Corpus.open(self.corpus)
        parts = make_split(self.split, corpus, seed=self.seed, test=0.2).parts
        rest = np.concatenate([parts["train"], parts["validation"]])
        kept = np.random.default_rng(self.seed).permutation(rest)[: self.tracks]
        rows = np.sort(np.concatenate([kept, parts["test"]]))
        place = folder / "corpora" / f"{self.key[1]}-{self.split}-{self.seed}-{self.tracks}"
        if not place.exists():
            table = pd.DataFrame({name: corpus.column(name) for name in corpus.columns})
            table[PART] = "rest"
            table.loc[parts["test"], PART] = "test"
            info = {"source": "benchmark", "synthetic": corpus.synthetic, "encoder_settings": {}}
            write_corpus(place, table.iloc[rows], info, pd.DataFrame())
        return dataclasses.replace(self, corpus=str(place))


def main(words: Sequence[str]) -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks accuracy")
    parser.add_argument("corpora", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=numbers, default="0,1,2,3,4")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--tasks", type=some_of(TASKS), default=",".join(TASKS))
    parser.add_argument("--models", type=some_of(MODELS), default=",".join(MODELS))
    parser.add_argument("--splits", type=some_of(SPLITS), default="artist")
    parser.add_argument("--tracks", type=numbers, default="0")
    parser.add_argument("--modalities", default="meta", help="of the default")
    parser.add_argument("--show", action="store_true", help="only print what is there")
    asked = parser.parse_args(words)
    if not asked.corpora and not asked.show:
        parser.error("name a corpus, or --show what is there")
    if asked.trials < 1:
        parser.error(f"--trials must be at least 1. Received: {asked.trials}")
    cases = [
        Case(corpus, seed, task, model, trials, split, tracks, asked.modalities)
        for seed in asked.seeds
        for split in asked.splits
        for tracks in asked.tracks
        for corpus in asked.corpora
        for task in asked.tasks
        for model in asked.models
        for trials in (1 if model == DEFAULT else asked.trials,)
    ]
    try:
        # Before the first is measured: the last may be some hours later.
        for case in {(c.corpus, c.seed, c.split, c.tracks): c for c in cases}.values():
            case.check()
    except UserError as error:
        parser.error(str(error))
    asked.out.mkdir(parents=True, exist_ok=True)
    for case in [] if asked.show else cases:
        if case.key not in {key_of(row) for row in read(asked.out)}:
            own = case.made(asked.out)
            measured = default(own, asked.out) if case.model == DEFAULT else trees(own, asked.out)
            row = {**dict(zip(KEYS, case.key, strict=True)), **measured}
            append(asked.out, row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    print("\n".join(report(read(asked.out))))


def numbers(text: str) -> list[int]:
    """Whole numbers from 0, separated by commas."""
    words = text.split(",")
    if not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(f"not numbers separated by commas: {text!r}")
    return [int(word) for word in words]


def some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """A reader of names separated by commas."""

    def read(text: str) -> list[str]:
        words = text.split(",")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return words

    return read


KEYS = ("corpus", "fingerprint", "seed", "task", "model", "trials", "split", "tracks", "modalities")
EARLIER = {"split": "artist", "tracks": 0, "modalities": "meta"}
"""What results have that were measured before there was a choice."""


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """`Case.key` of a result."""
    return tuple(row[name] for name in KEYS)


def read(folder: Path) -> list[dict[str, Any]]:
    """The results so far."""
    path = folder / RESULTS
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    # A process that was killed while it wrote leaves a part of its line.
    return [{**EARLIER, **json.loads(line)} for line in lines if line.endswith("}\n")]


def append(folder: Path, row: dict[str, Any]) -> None:
    """Add a result."""
    path = folder / RESULTS
    cut = path.exists() and path.read_text()[-1:] not in ("", "\n")
    with path.open("a") as file:
        file.write("\n" * cut + json.dumps(row) + "\n")


def default(case: Case, folder: Path) -> dict[str, Any]:
    """Train the default model as it comes, on the case's modalities."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    build = present()
    build.deephits("extract", case.corpus, "--modalities", case.modalities)
    words = ("--modalities", case.modalities, "--task", case.task, *case.words, "--seed", case.seed)
    cost = build.deephits("train", case.corpus, run, *words)
    done = Run(run).metrics
    shutil.rmtree(run)
    return {
        "metrics": done["parts"]["test"],
        "validation": done["parts"]["validation"],
        "decoding": done.get("decoding"),
        "cpu": cost.cpu,
        "wall": cost.wall,
    }


def trees(case: Case, folder: Path) -> dict[str, Any]:
    """Search with trees, and score the settings with the lowest validation loss."""
    corpus, task = Corpus.open(case.corpus), get_task(case.task)
    seed = case.seed
    # The corpus of a case with fewer tracks has a fingerprint of its own.
    split = "" if case.split == "artist" or case.tracks else f"-{case.split}"
    trials = folder / "trials" / f"{case.key[1]}{split}-{seed}-{case.task}-{case.model}"
    trials.mkdir(parents=True, exist_ok=True)
    parts = case.parts
    table = trials / "table.parquet"
    fields_of(corpus, parts, task).to_parquet(table)
    classes = 0 if task.kind == "regression" else task.outputs
    script = Path(__file__).with_name("trees.py")
    command = [environment("trees", NEEDS), script, table, trials, "--model", case.model]
    command += ["--classes", classes, "--seed", seed, "--trials", case.trials]
    subprocess.run(list(map(str, command)), check=True)
    done = [np.load(trials / f"trial-{number}.npz") for number in range(case.trials)]
    losses = [float(each["loss"]) for each in done]
    best = done[int(np.argmin(losses))]
    outputs = {part: outputs_of(best[part], task) for part in ("validation", "test")}
    popularity = {part: corpus.popularity[rows] for part, rows in parts.items()}
    decoding = fit_decoding(
        MACRO_F1, task, outputs["validation"], popularity["validation"], popularity["train"]
    )
    decoded = dataclasses.replace(task, decoding=decoding)
    scored = {
        part: evaluate(task, popularity[part], decoded.decode(values))
        for part, values in outputs.items()
    }
    return {
        "metrics": scored["test"],
        "validation": scored["validation"],
        "decoding": dataclasses.asdict(decoding) if classes else None,
        "settings": json.loads(str(best["settings"])),
        # Of the fit with the chosen settings: the search costs as much again per trial.
        "cpu": float(best["cpu"]),
        "wall": float(best["wall"]),
        "search_cpu": sum(float(each["cpu"]) for each in done),
    }


def fields_of(corpus: Corpus, parts: dict[str, Any], task: Task) -> pd.DataFrame:
    """The columns that the default model reads, the target and the part of each track."""
    config = Tabular().config
    rows = np.concatenate(list(parts.values()))
    part = np.concatenate([np.full(len(own), name) for name, own in parts.items()])
    columns = {
        name: corpus.column(name).to_numpy()[rows]
        for name in (*config.columns, *config.categories)
        if name in corpus.columns
    }
    table = pd.DataFrame(columns)
    for name in config.categories:
        if name in table:
            table[name] = table[name].astype("string").astype(object)
    return table.assign(target=task.targets(corpus.popularity[rows]), part=part)


def outputs_of(values: np.ndarray[Any, Any], task: Task) -> np.ndarray[Any, Any]:
    """What trees say, as outputs for `Task.decode`."""
    if task.kind == "regression":
        return np.clip(values, 0, 1)[:, np.newaxis]
    with np.errstate(divide="ignore"):
        return np.log(values)


def report(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown tables: one row per corpus and task; differences over the seeds that both have."""
    heads = [word for model in TREES for word in (model, f"{DEFAULT} minus it")]
    yield f"| corpus, metric | {DEFAULT} | {' | '.join(heads)} |"
    yield f"| --- | --- |{' --- |' * len(heads)}"
    costs = []
    shared = ("corpus", "task", "split", "tracks", "modalities")
    for found in sorted({tuple(row[name] for name in shared) for row in rows}):
        corpus, task, split, tracks, modalities = found
        corpus = f"{corpus}, {modalities}, {split}{f', {tracks:,} tracks' if tracks else ''}"
        group, name = METRICS[task]
        values: dict[str, dict[int, float]] = {model: {} for model in (DEFAULT, *TREES)}
        seconds: dict[str, list[float]] = {model: [] for model in (DEFAULT, *TREES)}
        for row in rows:
            if tuple(row[name] for name in shared) == found:
                values[row["model"]][row["seed"]] = row["metrics"][group][name]
                seconds[row["model"]].append(row["cpu"])
        mine = values[DEFAULT]
        cells = [summary(list(mine.values()))]
        for model in TREES:
            both = sorted(set(mine) & set(values[model]))
            cells.append(summary([values[model][seed] for seed in both]))
            cells.append(interval([mine[seed] - values[model][seed] for seed in both]))
        yield f"| {corpus}, {task} {name} | {' | '.join(cells)} |"
        taken = [f"{np.median(own):.0f}" if own else "" for own in seconds.values()]
        costs.append(f"| {corpus}, {task} | {' | '.join(taken)} |")
    yield ""
    yield f"| CPU seconds of one training | {DEFAULT} | {' | '.join(TREES)} |"
    yield f"| --- | --- |{' --- |' * len(TREES)}"
    yield from costs


def summary(values: Sequence[float]) -> str:
    """Mean, standard deviation and number of seeds.

    Example:
        >>> summary([0.5, 0.7]), summary([])
        ('0.600 ± 0.141 (2)', '')
    """
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread} ({len(values)})"


def interval(gains: Sequence[float]) -> str:
    """Mean of paired differences with its 95 % interval (Student's t over the seeds).

    Example:
        >>> interval([0.01, 0.03])
        '+0.020 (-0.107 to +0.147)'
    """
    if not gains:
        return ""
    mean = float(np.mean(gains))
    if len(gains) < 2:
        return f"{mean:+.3f}"
    reach = float(stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains))
    return f"{mean:+.3f} ({mean - reach:+.3f} to {mean + reach:+.3f})"
