"""The folder of an ensemble: one run per member, and the run of their average.

    RUN/members/seed-0/, RUN/members/seed-1/, ...     runs as written by `train`
    RUN/...                                           files of the ensemble, without a model

The members' folders are named after their seeds, which are in the run's configuration.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from typing import Any

import pandas as pd

from deephits_keras.corpus.table import Corpus
from deephits_keras.features.seen import seen_stores
from deephits_keras.runs.files import ARCHITECTURE, CONFIG, SPLIT
from deephits_keras.runs.run import Run
from deephits_keras.training.results import score_parts, write_results
from deephits_keras.training.warm_start import unseen_by
from deephits_keras.utils.files import remove_leftovers, replacing, write_json


def open_member(run: Run, name: str) -> Run:
    """The run of a member; it is created if necessary.

    Args:
        run: The ensemble.
        name: A key of `run.config.members`.
    """
    folder = run.folder / name
    if not (folder / CONFIG).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / SPLIT) as temporary:
            shutil.copyfile(run.folder / SPLIT, temporary)
        training = dataclasses.replace(
            run.config.training,
            seed=run.config.members[name],
            ensemble=1,
            time_limit=_share_of_time(run, name),
        )
        config = dataclasses.replace(run.config, training=training)
        write_json(folder / CONFIG, config)
    return Run(folder, run.settings)


def _share_of_time(run: Run, name: str) -> float:
    """Minutes for a member: an equal share of what earlier members have left."""
    if not run.config.training.time_limit:
        return 0.0
    before = list(run.config.members)[: list(run.config.members).index(name)]
    used = sum(Run(run.folder / each).config.training_seconds for each in before) / 60
    left = max(run.config.training.time_limit - used, 0.0)
    # Of a limit that is used up, a moment: a member has at least one step.
    return max(left / (len(run.config.members) - len(before)), 1e-6)


def finish_ensemble(run: Run, corpus: Corpus) -> None:
    """Score the average of the finished members, and write the files of the ensemble.

    Args:
        run: The ensemble.
        corpus: Its corpus.
    """
    remove_leftovers(run.folder)
    members = {name: Run(run.folder / name) for name in run.config.members}
    first = next(iter(members.values()))
    architecture = dataclasses.replace(first.architecture, members=len(members))
    write_json(run.folder / ARCHITECTURE, architecture)
    epochs = {name: member.metrics["selected_epoch"] for name, member in members.items()}
    unseen = unseen_by(run, corpus)
    stores = seen_stores(corpus, run.encoders, unseen)
    write_results(
        run,
        corpus,
        stores,
        score_parts(run, run.uncalibrated_model(), corpus, stores),
        history=_history(members),
        selection={"selected_epoch": None, "members": epochs, **_time_note(run, members)},
    )
    seconds = sum(member.config.training_seconds for member in members.values())
    run.config = dataclasses.replace(run.config, training_seconds=seconds)
    run.write_config()
    run.write_checksums()


def _time_note(run: Run, members: Mapping[str, Run]) -> dict[str, Any]:
    """What the shared time limit did, with the epochs of the member that has the fewest."""
    if not run.config.training.time_limit:
        return {}
    notes = [member.metrics["time_limit"] for member in members.values()]
    fewest = min(notes, key=lambda note: (not note["ended_training"], note["epochs"]))
    return {"time_limit": {**fewest, "minutes": run.config.training.time_limit}}


def _history(members: dict[str, Run]) -> pd.DataFrame:
    """The concatenated histories of the members, with their names in the column `member`."""
    tables = {name: member.history for name, member in members.items()}
    return pd.concat(tables, names=["member"]).reset_index(level="member").reset_index(drop=True)
