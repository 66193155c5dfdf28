"""Deep models (Tables 5, 7, A2 and beyond): one run folder per variant and seed.

    OUT/settings.json                                    settings of every run in OUT
    OUT/runs/<protocol>/<task>/<variant>/seed-<n>/       a run, as written by `deephits train`

Training writes a run's model last, except for the checksums, which can be made at any time: a
folder with a model is finished. The rows of results are read from the finished runs.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.reproduction.variants import (
    Variant,
    ablated_variants,
    beyond_variants,
    describe_encoders,
    name_of,
)
from deephits_keras.runs.files import CHECKSUMS, CONFIG, MODEL, REPORT, STATE
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.utils.files import read_record, write_json
from deephits_keras.utils.progress import progress
from deephits_keras.utils.records import to_plain

if TYPE_CHECKING:
    from deephits_keras.evaluation.metrics import Metrics

SETTINGS = "settings.json"

TASKS_OF_TABLE = {
    "5": ("tiers-3", "tiers-10", "regression"),
    "7": ("tiers-10",),
    "A2": ("tiers-3",),
    "beyond": ("tiers-3", "tiers-10"),
}
"""The tasks of each table of deep models."""


def variants_of_table(table: str, encoders: Mapping[str, AnyEncoder]) -> list[Variant]:
    """Variants of a table: tasks only in Table 5, settings in `beyond`, ablations in the others.

    Raises:
        UserError: if an encoder's parts can't be used.
    """
    if table == "beyond":
        return beyond_variants(encoders)
    variants = ablated_variants(encoders)
    return variants[-1:] if table == "5" else variants


@dataclass(frozen=True)
class Setup:
    """Settings of every run of a reproduction.

    Attributes:
        corpus: The corpus.
        out: The reproduction's folder.
        encoders: Every encoder, by modality.
        training: Settings of the training; the seed differs per run.
        fusion: Name and settings of the fusion.
        command: Command line, stored with the results.
    """

    corpus: Corpus
    out: Path
    encoders: Mapping[str, AnyEncoder]
    training: TrainingConfig
    fusion: Mapping[str, Any]
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Settings that must be equal in every call, as JSON types."""
        # By hand: a corpus and encoders by what identifies them, and no seed.
        return {
            "corpus": self.corpus.fingerprint,
            "encoders": describe_encoders(self.encoders),
            "training": _without_seed(self.training),
            "fusion": {
                k: list(map(list, v)) if k == "weights" else v for k, v in self.fusion.items()
            },
        }

    def claim(self) -> None:
        """Store the settings of the reproduction in its folder.

        Raises:
            UserError: if it contains something else, or a reproduction with other settings.
        """
        path = self.out / SETTINGS
        wanted = self.to_json()
        if not path.exists():
            if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
                raise UserError(f"{self.out} is not empty: choose another folder")
            write_json(path, wanted)
            return
        found = read_record(path, dict[str, Any], "a reproduction")
        if isinstance(stored := found.get("training"), dict):
            # A setting that a later version added: its default is what was done before.
            found["training"] = {**_without_seed(TrainingConfig()), **stored}
        if other := _differences(found, wanted):
            raise UserError(
                f"{self.out} was begun with other settings: {'; '.join(other)}. Its rows would "
                "not be comparable: give the same ones, or choose another folder"
            )


def _without_seed(training: TrainingConfig) -> dict[str, Any]:
    values: dict[str, Any] = to_plain(training)
    del values["seed"]
    return values


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return [] if found == wanted else [f"{name} was {found!r}, now {wanted!r}"]
    return [
        line
        for key in {**found, **wanted}
        for line in _differences(found.get(key), wanted.get(key), f"{name}.{key}".strip("."))
    ]


@dataclass(frozen=True)
class Experiment:
    """One planned run.

    Attributes:
        protocol: Name of its protocol.
        task: Name of its task.
        variant: Encoders and changed settings.
        seed: Random seed of the split and the training.
    """

    protocol: str
    task: str
    variant: Variant
    seed: int

    def folder(self, out: Path) -> Path:
        """Folder of its run."""
        return out / "runs" / self.protocol / self.task / self.variant.slug / f"seed-{self.seed}"


def plan(
    tables: Iterable[str],
    encoders: Mapping[str, AnyEncoder],
    protocols: Sequence[str],
    seeds: Iterable[int],
) -> list[Experiment]:
    """The runs of some tables, ordered by seed, without duplicates.

    Args:
        tables: Names in `TASKS_OF_TABLE`.
        encoders: Every encoder, by modality.
        protocols: Names in `PROTOCOLS`.
        seeds: The seeds.

    Raises:
        UserError: if an encoder's parts can't be used.
    """
    wanted = {
        (task, variant.name): variant
        for table in tables
        for task in TASKS_OF_TABLE[table]
        for variant in variants_of_table(table, encoders)
    }
    return [
        Experiment(protocol, task, variant, seed)
        for seed in seeds
        for protocol in protocols
        for (task, _), variant in wanted.items()
    ]


def run_plan(setup: Setup, experiments: Sequence[Experiment], *, jobs: int = -1) -> dict[str, str]:
    """Run all unfinished experiments; interrupted ones are continued.

    Args:
        setup: Settings of the runs.
        experiments: The planned runs.
        jobs: Number of worker processes for extraction.

    Returns:
        Reason for each failed run, by its folder in OUT.

    Raises:
        UserError: if the corpus can't be split, or the settings are invalid.
    """
    from deephits_keras.features.extraction import extract_features

    # Make all splits first, so that an impossible split is reported before any training.
    splits = {
        (e.protocol, e.seed): PROTOCOLS[e.protocol].draw(setup.corpus, e.seed) for e in experiments
    }
    waiting = [e for e in experiments if not finished(e.folder(setup.out))]
    encoders = [e for x in waiting for e in x.variant.encoders.values()]
    for encoder in {e.name + e.fingerprint(): e for e in encoders}.values():
        extract_features(setup.corpus, encoder, jobs=jobs)
    failed = {}
    for experiment in progress(waiting, total=len(waiting), what="training"):
        try:
            _train(setup, experiment, splits[experiment.protocol, experiment.seed])
        except UserError:
            raise
        except DeepHitsError as error:
            folder = experiment.folder(setup.out).relative_to(setup.out)
            failed[folder.as_posix()] = str(error)
    for experiment in experiments:
        _tidy(experiment.folder(setup.out))
    return failed


def _tidy(folder: Path) -> None:
    """Finish a run that was interrupted after training."""
    from deephits_keras.report.run_report import write_report

    if finished(folder):
        run = Run(folder)
        if not run.finished:
            run.write_checksums()
        shutil.rmtree(folder / STATE, ignore_errors=True)
        if not (folder / REPORT).exists():
            write_report(folder)


def finished(folder: Path) -> bool:
    """Whether a run is finished; an ensemble has only the models of its members."""
    return (folder / MODEL).exists() or (folder / CHECKSUMS).exists()


def _train(setup: Setup, experiment: Experiment, split: Split) -> None:
    import keras

    from deephits_keras.training.trainer import new_run, train

    folder = experiment.folder(setup.out)
    encoders = experiment.variant.encoders
    if (folder / CONFIG).exists():
        run = Run(folder, {m: e.get_config() for m, e in encoders.items()})
    else:
        # Left by an interruption before the run had a configuration.
        shutil.rmtree(folder, ignore_errors=True)
        run = new_run(
            folder,
            setup.corpus,
            encoders,
            split,
            task=experiment.task,
            fusion=changed_fusion(setup.fusion, experiment.variant.fusion),
            training=dataclasses.replace(
                setup.training, seed=experiment.seed, **experiment.variant.training
            ),
            command=setup.command,
        )
    train(run, setup.corpus)
    keras.backend.clear_session()


def changed_fusion(fusion: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a fusion with a variant's changes; fixed weights are for one fusion only."""
    kept = {k: v for k, v in fusion.items() if "name" not in changes or k != "weights"}
    return {**kept, **changes}


@dataclass(frozen=True)
class Row:
    """The result of one run.

    Attributes:
        protocol: Name of its protocol.
        task: Name of its task.
        variant: Name of its variant.
        seed: Its seed.
        part: Part of the split with the `metrics`.
        parameters: Trainable parameters.
        selected_epoch: Epoch of the selected checkpoint; None for an ensemble.
        metrics: Metrics of the reported part, by tiers (and `regression`).
        selection: Metrics of the validation part, on which the checkpoint was selected.
        folder: The run's folder.
    """

    protocol: str
    task: str
    variant: str
    seed: int
    part: str
    parameters: int
    selected_epoch: int | None
    metrics: Mapping[str, Metrics]
    selection: Mapping[str, Metrics]
    folder: Path

    @property
    def key(self) -> tuple[str, str, str]:
        """Protocol, task and variant, which its seeds share."""
        return (self.protocol, self.task, self.variant)

    def to_json(self, out: Path) -> dict[str, Any]:
        """The row as JSON types, its folder relative to the reproduction's."""
        # By hand: the folder is relative, as a reproduction may be moved.
        return {**to_plain(self), "folder": self.folder.relative_to(out).as_posix()}


def read_rows(out: Path) -> list[Row]:
    """One row per finished run in a reproduction's folder, in a fixed order.

    Raises:
        UserError: if a finished run is damaged.
    """
    rows = []
    for folder in out.glob("runs/*/*/*/seed-*"):
        protocol, task, variant, seed = folder.relative_to(out / "runs").parts
        if protocol not in PROTOCOLS or not finished(folder):
            continue
        run = Run(folder)
        rows.append(
            Row(
                protocol=protocol,
                task=task,
                variant=name_of(variant),
                seed=int(seed.removeprefix("seed-")),
                part=run.reported_part,
                parameters=run.architecture.total,
                selected_epoch=run.metrics["selected_epoch"],
                metrics=run.metrics["parts"][run.reported_part],
                selection=run.metrics["parts"]["validation"],
                folder=folder,
            )
        )
    order = list(PROTOCOLS)
    return sorted(rows, key=lambda r: (order.index(r.protocol), r.task, r.variant, r.seed))
