"""`compare`: train every recipe on the same splits of a corpus; resumable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib

from deephits_keras.choices import SPLITS_BY_TIME
from deephits_keras.comparison.entrants import (
    POST_RELEASE,
    Entrant,
    copies_of_popularity,
    enter,
)
from deephits_keras.comparison.trial import RESULT, Trial, carry_out, split_file
from deephits_keras.corpus.apart import split_notes
from deephits_keras.corpus.splits import Split, make_split
from deephits_keras.corpus.table import Corpus
from deephits_keras.corpus.twins import twin_groups, without_twins
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.recipes import get_recipe
from deephits_keras.tasks import get_task
from deephits_keras.utils.files import read_record, write_json
from deephits_keras.utils.progress import progress

SETTINGS = "settings.json"
RECIPES = "recipes"
"""Key of `settings.json`: a digest of each recipe, so that rows of two versions don't mix."""

REFERENCES = ("majority", "boosting")
"""Baselines of every comparison."""

PROTOCOLS = {
    "random": "70% training, 10% validation and 20% test tracks at random",
    "artist": "no artist is in two parts",
    "date": "the newest tracks are the test part, the next newest the validation part",
}
"""Descriptions of the protocols."""

VALIDATION, TEST = 0.1, 0.2


@dataclass(frozen=True)
class Plan:
    """A comparison to run.

    Attributes:
        corpus: The corpus.
        out: Folder of the results.
        recipes: Names of the recipes.
        tasks: Names of the tasks.
        protocols: Names in `PROTOCOLS`.
        seeds: Number of seeds, from 0.
        controls: Number of seeds that are also trained on shuffled popularity.
        settings: Encoder settings that override the recipes'.
        training: Fields of `TrainingConfig` that override the recipes'.
        post_release: Columns that must not be used.
        command: Command line, stored with the results.
    """

    corpus: Corpus
    out: Path
    recipes: Sequence[str]
    tasks: Sequence[str] = ("tiers-3",)
    protocols: Sequence[str] = ("artist",)
    seeds: int = 5
    controls: int = 1
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    post_release: Sequence[str] = ()
    command: str = ""

    @property
    def names(self) -> list[str]:
        """Names of the recipes and the baselines."""
        return list(dict.fromkeys([*self.recipes, *REFERENCES]))

    @property
    def forbidden(self) -> list[str]:
        """Columns that must not be used, given or marked in the corpus."""
        return sorted({*self.post_release, *self.corpus.info.get(POST_RELEASE, ())})

    def check_folder(self) -> None:
        """Check that its folder is new, or has results that are comparable.

        Raises:
            UserError: if it contains something else, or a comparison with other settings.
        """
        if not (self.out / SETTINGS).exists():
            if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
                raise UserError(f"{self.out} is not empty: choose another folder")
            return
        found = self._found()
        if differing := [k for k, v in self._wanted().items() if found.get(k) != v]:
            raise UserError(
                f"{self.out} was begun with other {', '.join(differing)}: its rows would not "
                "be comparable. Give the same ones, or choose another folder"
            )
        known = found.get(RECIPES, {})
        if changed := [n for n, own in self._recipes().items() if known.get(n, own) != own]:
            raise UserError(
                f"The recipe {changed[0]!r} has changed since {self.out} was begun: its rows would "
                "not be comparable. Choose another folder"
            )

    def claim(self) -> None:
        """Store the settings of the comparison in its folder.

        Raises:
            UserError: as `check_folder`.
        """
        self.check_folder()
        known = self._found().get(RECIPES, {}) if (self.out / SETTINGS).exists() else {}
        write_json(self.out / SETTINGS, {**self._wanted(), RECIPES: {**known, **self._recipes()}})

    def _found(self) -> dict[str, Any]:
        found = read_record(self.out / SETTINGS, dict[str, Any], "a comparison")
        return {**found, "post_release": sorted(found.get("post_release", ()))}

    def _wanted(self) -> dict[str, Any]:
        return {
            "corpus": self.corpus.fingerprint,
            "settings": {k: dict(v) for k, v in self.settings.items()},
            "training": dict(self.training),
            "post_release": self.forbidden,
        }

    def _recipes(self) -> dict[str, str]:
        return {name: get_recipe(name).digest for name in self.names}


@dataclass(frozen=True)
class Outcome:
    """Outcome of a comparison.

    Attributes:
        left_out: Reason for each recipe that was skipped, by name.
        without: Reason for each modality that was left out, by recipe and modality.
        without_effect: Modalities and encoders whose given settings a recipe doesn't use, by
            recipe.
        failed: Reason for each failed trial, by its folder in OUT.
        copies: Rank correlation with the popularity of each column that is nearly a copy of it.
        not_apart: What the first seed's split can't promise, in words, by protocol.
    """

    left_out: Mapping[str, str]
    without: Mapping[str, Mapping[str, str]]
    without_effect: Mapping[str, Sequence[str]]
    failed: Mapping[str, str]
    copies: Mapping[str, float] = field(default_factory=dict)
    not_apart: Mapping[str, Sequence[str]] = field(default_factory=dict)


def compare(plan: Plan, *, jobs: int = -1) -> Outcome:
    """Train and evaluate all unfinished trials.

    Args:
        plan: The comparison.
        jobs: Number of worker processes; -1: one per core.

    Raises:
        UserError: if the corpus can't be split so, a task or protocol is unknown, or the folder
            holds something else.
    """
    for task in plan.tasks:
        get_task(task)
    if unknown := [name for name in plan.protocols if name not in PROTOCOLS]:
        raise UserError(
            f"There is no protocol named {unknown[0]!r}. Protocols: {', '.join(PROTOCOLS)}"
        )
    plan.claim()
    _write_splits(plan)
    later = plan.corpus.later if set(SPLITS_BY_TIME) & set(plan.protocols) else ()
    entrants, left_out = enter(
        plan.corpus, plan.names, plan.settings, post_release=(*plan.forbidden, *later), jobs=jobs
    )
    trials = [trial for trial in trials_of(plan, entrants) if not trial.finished]
    failed = _carry_out_all(trials, jobs)
    without = {e.recipe.name: dict(e.without) for e in entrants if e.without}
    without_effect = {e.recipe.name: list(e.without_effect) for e in entrants if e.without_effect}
    copies = copies_of_popularity(plan.corpus, entrants)
    not_apart = {protocol: _not_apart(plan, protocol) for protocol in plan.protocols}
    outcome = Outcome(left_out, without, without_effect, failed, copies, not_apart)
    _note(plan, outcome)
    return outcome


def _note(plan: Plan, outcome: Outcome) -> None:
    path = plan.out / "outcome.json"
    earlier = read_record(path, dict[str, dict[str, Any]], "a comparison") if path.exists() else {}
    kinds = ("left_out", "without", "without_effect")
    # What was said of a recipe of this plan no longer holds; other recipes aren't in it.
    noted = {
        kind: {k: v for k, v in earlier.get(kind, {}).items() if k not in plan.names}
        | dict(getattr(outcome, kind))
        for kind in kinds
    }
    for kind in ("copies", "not_apart"):
        noted[kind] = {**earlier.get(kind, {}), **getattr(outcome, kind)}
    failed = {
        folder: reason
        for folder, reason in earlier.get("failed", {}).items()
        if not (plan.out / folder / RESULT).exists()
    }
    write_json(path, {**noted, "failed": {**failed, **outcome.failed}})


def trials_of(plan: Plan, entrants: Sequence[Entrant]) -> list[Trial]:
    """All trials of a plan, ordered by seed."""
    return [
        Trial(
            corpus=plan.corpus.folder.resolve(),
            # Workers may have been started in another working directory.
            out=plan.out.resolve(),
            protocol=protocol,
            task=task,
            recipe=entrant.recipe.name,
            seed=seed,
            control=control,
            modalities=",".join(f"{m}={e.name}" for m, e in entrant.encoders.items()),
            settings={e.name: e.get_config() for e in entrant.encoders.values()},
            training=plan.training,
            command=plan.command,
        )
        for seed in range(plan.seeds)
        for protocol in plan.protocols
        for task in plan.tasks
        for control in ((False, True) if seed < plan.controls else (False,))
        for entrant in entrants
    ]


def _write_splits(plan: Plan) -> None:
    groups = None
    for protocol in plan.protocols:
        for seed in range(plan.seeds):
            path = split_file(plan.out, protocol, seed)
            if path.exists():
                continue
            groups = twin_groups(plan.corpus) if groups is None else groups
            split: Split = make_split(
                protocol, plan.corpus, seed=seed, validation=VALIDATION, test=TEST
            )
            without_twins(split, groups).to_parquet(path, plan.corpus)


def _not_apart(plan: Plan, protocol: str) -> list[str]:
    split = Split.from_parquet(split_file(plan.out, protocol, 0), len(plan.corpus))
    return split_notes(plan.corpus, split)


def _carry_out_all(trials: Sequence[Trial], jobs: int) -> dict[str, str]:
    workers = joblib.Parallel(
        n_jobs=max(1, min(joblib.effective_n_jobs(jobs), len(trials))),
        return_as="generator",
        # Networks of one process must not block each other.
        backend="loky" if joblib.effective_n_jobs(jobs) > 1 else "sequential",
    )
    found = workers(joblib.delayed(carry_out)(trial) for trial in trials)
    try:
        reasons = list(progress(found, total=len(trials), what="comparing"))
    except BrokenProcessPool as error:
        raise DeepHitsError(
            "A worker process was ended from outside, most often because memory ran out. Complete "
            "trainings are kept: run the same command again, with fewer --jobs"
        ) from error
    return {
        trial.folder.relative_to(trial.out).as_posix(): reason
        for trial, reason in zip(trials, reasons, strict=True)
        if reason
    }
