"""An ensemble's folder: a whole run for each member, and over them the run of their average.

    RUN/members/seed-0/, RUN/members/seed-1/, ...     runs, each as `train` leaves one
    RUN/...                                           the ensemble's own files, without a model

The members' folders are named after their seeds, which the run's configuration tells.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pandas as pd

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.features.store import FeatureStore
from deephits_keras.model.architecture import Architecture
from deephits_keras.runs.config import CONFIG
from deephits_keras.runs.run import Run
from deephits_keras.training.results import score_parts, write_results
from deephits_keras.utils.files import read_json, remove_leftovers, replacing, write_json


def open_member(run: Run, name: str) -> Run:
    """A member as a run, begun now if it hasn't been.

    Args:
        run: The ensemble.
        name: Of `run.config.members`.
    """
    folder = run.folder / name
    if not (folder / CONFIG).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "split.parquet") as temporary:
            shutil.copyfile(run.folder / "split.parquet", temporary)
        training = dataclasses.replace(
            run.config.training, seed=run.config.members[name], ensemble=1
        )
        config = dataclasses.replace(run.config, training=training)
        write_json(folder / CONFIG, config.to_json())
    return Run(folder, run.settings)


def finish_ensemble(run: Run, corpus: Corpus) -> None:
    """Score with the average of the finished members, and write the ensemble's own files.

    Args:
        run: The ensemble.
        corpus: Its corpus.
    """
    remove_leftovers(run.folder)
    folders = {name: run.folder / name for name in run.config.members}
    first = read_json(next(iter(folders.values())) / "architecture.json", "a finished run")
    architecture = dataclasses.replace(Architecture.from_json(first), members=len(folders))
    write_json(run.folder / "architecture.json", architecture.to_json())
    epochs = {
        name: read_json(folder / "metrics.json", "a finished run")["selected_epoch"]
        for name, folder in folders.items()
    }
    stores = {m: FeatureStore.open(corpus, encoder) for m, encoder in run.encoders.items()}
    split = Split.from_parquet(run.folder / "split.parquet", len(corpus))
    write_results(
        run,
        corpus,
        stores,
        split,
        score_parts(run, run.uncalibrated_model(), corpus, stores, split),
        history=_history(folders),
        selection={"selected_epoch": None, "members": epochs},
    )
    seconds = sum(Run(folder).config.training_seconds for folder in folders.values())
    run.config = dataclasses.replace(run.config, training_seconds=seconds)
    run.write_config()
    run.write_checksums()


def _history(folders: dict[str, Path]) -> pd.DataFrame:
    """The members' histories under each other, with their names as `member`."""
    tables = {name: pd.read_csv(folder / "history.csv") for name, folder in folders.items()}
    return pd.concat(tables, names=["member"]).reset_index(level="member").reset_index(drop=True)
