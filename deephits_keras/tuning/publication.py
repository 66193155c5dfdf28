"""The best trial of a search as a run like any other."""

from __future__ import annotations

import dataclasses
import shutil
from typing import Any

from deephits_keras.runs.files import CHECKSUMS, EXPLANATIONS, STATE
from deephits_keras.runs.run import Run
from deephits_keras.training.workflow import finish
from deephits_keras.tuning.search import Record, Search, run_folder
from deephits_keras.tuning.space import text_of

BEST = "best"
TUNED = "tuned"
"""Entry of a run's recipe that says how its settings were found."""


def tuned_record(search: Search, best: Record, records: list[Record]) -> dict[str, Any]:
    """What a run stores of the search that it is the best trial of."""
    outcomes = [record.result.outcome for record in records]
    return {
        "trial": best.number,
        "trials": len(records),
        "outcomes": {name: outcomes.count(name) for name in dict.fromkeys(outcomes)},
        "metric": search.metric.name,
        "value": best.result.value,
        "space": {name: str(dimension) for name, dimension in search.space.items()},
        "values": {name: text_of(value) for name, value in best.values.items()},
    }


def is_published(search: Search, best: Record, records: list[Record]) -> bool:
    """Whether the search's run is the best trial's, and says so of all trials."""
    if not (search.run / CHECKSUMS).exists():
        return False
    told: Any = Run(search.run).config.recipe.get(TUNED)
    return bool(told == tuned_record(search, best, records))


def publish(search: Search, best: Record, records: list[Record]) -> Run:
    """Make the best trial the run of the search: its model is scored on all held-out parts.

    The test part is read here for the first time. An ensemble is trained instead, with the trial's
    settings.

    Args:
        search: The search.
        best: The best trial.
        records: All finished trials.
    """
    folder = search.folder / BEST
    shutil.rmtree(folder, ignore_errors=True)
    asked = search.asked.with_values(best.values)
    plan = asked.plan(search.corpus, folder)
    record = {**plan.choices.record, TUNED: tuned_record(search, best, records)}
    choices = dataclasses.replace(plan.choices, record=record)
    plan = dataclasses.replace(plan, choices=choices, command=search.command)
    run = plan.begin(jobs=1)
    if not run.config.members:
        shutil.copytree(run_folder(search.folder, best.number) / STATE, run.folder / STATE)
    finish(run, search.corpus)
    _replace(search)
    return Run(search.run)


def _replace(search: Search) -> None:
    """Move the finished run to its place; its checksums, which make it one, last."""
    finished = search.folder / BEST
    (search.run / CHECKSUMS).unlink(missing_ok=True)
    # Explanations of an earlier best trial.
    shutil.rmtree(search.run / EXPLANATIONS, ignore_errors=True)
    for path in sorted(finished.iterdir(), key=lambda path: path.name == CHECKSUMS):
        target = search.run / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    finished.rmdir()
