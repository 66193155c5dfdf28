"""One trial: a recipe, trained and evaluated on one split.

OUT/runs/<protocol>/<task>/<recipe>/seed-<n>/result.json    written last, marks the trial as
finished OUT/runs/<protocol>/<task>/<recipe>/seed-<n>/run/           a network's run, as written by
`train` OUT/controls/...                                            the same on shuffled popularity
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephits_keras.choices import LIKELIEST
from deephits_keras.corpus.splits import Split, reported_part
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import DeepHitsError
from deephits_keras.utils.files import write_json

RESULT = "result.json"
CONTROL_SEED = 7919
"""Offset of a trial's seed for the shuffled popularity of its control."""


def split_file(out: Path, protocol: str, seed: int) -> Path:
    """Where a comparison in the folder `out` keeps the split of a protocol and seed."""
    return out / "splits" / protocol / f"seed-{seed}.parquet"


@dataclass(frozen=True)
class Trial:
    """One trial of a comparison, with all data for a worker process.

    Attributes:
        corpus: Folder of the corpus.
        out: Folder of the comparison.
        protocol: Name of the protocol.
        task: Name of the task.
        recipe: Name of the recipe.
        seed: Random seed of the split and the training.
        control: Whether the popularity is shuffled.
        modalities: `modality=encoder` pairs.
        settings: Settings of each encoder, by its name.
        training: Fields of `TrainingConfig` that override the recipe's.
        command: Command line, stored with the results.
    """

    corpus: Path
    out: Path
    protocol: str
    task: str
    recipe: str
    seed: int
    control: bool
    modalities: str
    settings: Mapping[str, Mapping[str, Any]]
    training: Mapping[str, Any]
    command: str = ""

    @property
    def folder(self) -> Path:
        """Its folder."""
        kind = "controls" if self.control else "runs"
        return self.out / kind / self.protocol / self.task / self.recipe / f"seed-{self.seed}"

    @property
    def split_file(self) -> Path:
        """The split of its protocol and seed, equal for every recipe and task."""
        return split_file(self.out, self.protocol, self.seed)

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return (self.folder / RESULT).exists()


def carry_out(trial: Trial) -> str | None:
    """Train and evaluate; an interrupted trial is continued. Called in a worker process.

    Returns:
        The reason if it failed; None if its result is written.
    """
    from deephits_keras.comparison.control import ShuffledCorpus
    from deephits_keras.features.extraction import corpus_encoders
    from deephits_keras.recipes import get_recipe

    try:
        corpus = (
            ShuffledCorpus(trial.corpus, trial.seed + CONTROL_SEED)
            if trial.control
            else Corpus.open(trial.corpus)
        )
        encoders = (
            corpus_encoders(corpus, trial.modalities, trial.settings) if trial.modalities else {}
        )
        split = Split.from_parquet(trial.split_file, len(corpus))
        shallow = get_recipe(trial.recipe).shallow
        result = (_shallow if shallow else _network)(trial, corpus, encoders, split)
    except DeepHitsError as error:
        return str(error)
    write_json(trial.folder / RESULT, {**_identity(trial), **result})
    return None


def _identity(trial: Trial) -> dict[str, Any]:
    names = ("protocol", "task", "recipe", "seed", "control", "modalities")
    return {name: getattr(trial, name) for name in names}


def _shallow(
    trial: Trial, corpus: Corpus, encoders: Mapping[str, Any], split: Split
) -> dict[str, Any]:
    from deephits_keras.comparison.shallow import shallow_outputs
    from deephits_keras.evaluation.decoding import fit_decoding
    from deephits_keras.evaluation.metrics import evaluate
    from deephits_keras.recipes import get_recipe
    from deephits_keras.tasks import get_task

    task = get_task(trial.task)
    began = time.monotonic()
    recipe = get_recipe(trial.recipe)
    outputs = shallow_outputs(recipe, corpus, encoders, split, task, seed=trial.seed)
    seconds = time.monotonic() - began
    part = reported_part(split.parts)
    popularity = corpus.popularity[split.parts[part]]
    rule = recipe.estimator.get("decoding", LIKELIEST)
    if rule != LIKELIEST and "validation" in outputs:
        decoding = fit_decoding(
            rule,
            task,
            outputs["validation"],
            corpus.popularity[split.parts["validation"]],
            corpus.popularity[split.parts["train"]],
        )
        task = dataclasses.replace(task, decoding=decoding)
    prediction = task.decode(outputs[part])
    return {
        "part": part,
        "tracks": len(popularity),
        "metrics": evaluate(task, popularity, prediction),
        "parameters": None,
        "seconds": seconds,
    }


def _network(
    trial: Trial, corpus: Corpus, encoders: Mapping[str, Any], split: Split
) -> dict[str, Any]:
    import keras

    from deephits_keras.recipes import choose
    from deephits_keras.runs.files import CONFIG
    from deephits_keras.runs.run import Run
    from deephits_keras.training.trainer import new_run, train

    folder = trial.folder / "run"
    if (folder / CONFIG).exists():
        run = Run(folder, {m: e.get_config() for m, e in encoders.items()})
    else:
        chosen = choose(
            trial.recipe, fusion=_head(trial), training=_fitting(trial), task=trial.task
        )
        run = new_run(
            folder,
            corpus,
            encoders,
            split,
            task=trial.task,
            fusion=chosen.fusion,
            training=dataclasses.replace(
                chosen.training_on(len(split.parts["train"])), seed=trial.seed
            ),
            command=trial.command,
            recipe=chosen.record,
        )
    seconds: list[float] = []
    if not run.finished:
        train(run, corpus, report=lambda epoch: seconds.append(epoch["seconds"]))
    keras.backend.clear_session()
    run = Run(folder)
    part = run.reported_part
    return {
        "part": part,
        "tracks": int((run.predictions["part"] == part).sum()),
        "metrics": run.metrics["parts"][part],
        "parameters": run.architecture.total,
        # Time of the epochs of this process only; an interrupted trial took longer.
        "seconds": sum(seconds),
    }


def _head(trial: Trial) -> dict[str, Any]:
    """The plain output layer for a regression: ordinal heads are for tiers."""
    from deephits_keras.model.head_names import SOFTMAX
    from deephits_keras.tasks import get_task

    return {"head": SOFTMAX} if get_task(trial.task).kind == "regression" else {}


def _fitting(trial: Trial) -> dict[str, Any]:
    """Overriding settings; and the default loss if the recipe's is for another kind of task."""
    from deephits_keras.recipes import get_recipe
    from deephits_keras.tasks import get_task

    loss = get_recipe(trial.recipe).training.get("loss", "paper")
    of_regressions = loss == "rank"
    fits = loss == "paper" or of_regressions == (get_task(trial.task).kind == "regression")
    return dict(trial.training) if fits else {**trial.training, "loss": "paper"}
