"""The record of a search: an Optuna study in a journal, one JSON document per line.

Every change is appended, so that a search that is killed at any time goes on from there. Optuna's
own tools read the journal, for example `optuna-dashboard`.
"""

from __future__ import annotations

import contextlib
import fcntl
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from deephits_keras.errors import UserError
from deephits_keras.tuning.space import Space, text_of

JOURNAL = "journal.jsonl"
NAME = "deephits"
RANDOM_TRIALS = 8
"""Trials before the sampler learns from earlier ones."""

FIRST_PRUNED = 5
"""Finished trials that a trial is compared with before it can be pruned."""


class FileLock(JournalFileOpenLock):  # type: ignore[misc]
    """A lock that the system releases when its process ends, however it ends.

    Optuna's own is a file: a process that is killed while holding it stops all others for half a
    minute.

    Args:
        path: The locked file; created if necessary.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._held = self._path.open("ab")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let others have it."""
        if self._held:
            self._held.close()
            self._held = None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        self._held = self._path.open("ab")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.release()
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, *, wait: bool, busy: str = "") -> Iterator[None]:
    """Hold the lock of a file for a block.

    Args:
        path: The file.
        wait: Whether to wait for another process that holds it.
        busy: What to say otherwise.

    Raises:
        UserError: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    if not (lock.acquire() if wait else lock.try_acquire()):
        raise UserError(busy)
    try:
        yield
    finally:
        lock.release()


def open_storage(folder: Path) -> JournalStorage:
    """The journal in a search's folder."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = (folder / JOURNAL).resolve()
    return JournalStorage(JournalFileBackend(str(path), FileLock(path.with_suffix(".lock"))))


def repair(folder: Path) -> None:
    """Cut off a last line that its writer couldn't finish; Optuna would read nothing after it."""
    path = folder / JOURNAL
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def open_study(
    folder: Path, *, maximise: bool, seed: int, warmup: int, number: int = 0
) -> optuna.Study:
    """The study of a search, created if there is none.

    Args:
        folder: The search's folder.
        maximise: Whether a higher value is better.
        seed: Seed of the search.
        warmup: Epochs before which no trial is pruned.
        number: Number of the trial that is drawn next. Each trial has a seed of its own: a sampler
            with one seed for all would draw the first trials again when a search is resumed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.create_study(
            storage=open_storage(folder),
            study_name=NAME,
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
            sampler=sampler_of(seed, number),
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=FIRST_PRUNED, n_warmup_steps=warmup
            ),
        )


def sampler_of(seed: int, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial: its draws depend on the seed, its number and earlier results."""
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, seed=drawn, constant_liar=True
        )


def draw(trial: optuna.Trial, space: Space, names: list[str]) -> dict[str, Any]:
    """Values of some dimensions for a trial: those that it has, or drawn ones."""
    values = {}
    for name in names:
        dimension = space[name]
        if dimension.choices:
            drawn: Any = trial.suggest_categorical(name, list(dimension.labels))
        elif dimension.setting.kind is int:
            drawn = trial.suggest_int(
                name,
                int(dimension.low),
                int(dimension.high),
                step=int(dimension.step) or 1,
                log=dimension.log,
            )
        else:
            drawn = trial.suggest_float(
                name,
                dimension.low,
                dimension.high,
                step=dimension.step or None,
                log=dimension.log,
            )
        values[name] = dimension.value(drawn)
    return values


def enqueue(study: optuna.Study, space: Space, values: Mapping[str, Any]) -> None:
    """Make a trial with given values the next one; values outside the space are drawn instead."""
    held = {name: v for name, v in values.items() if name in space and space[name].holds(v)}
    fixed = {name: text_of(v) if space[name].choices else v for name, v in held.items()}
    study.enqueue_trial(fixed)


def trial_of(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> optuna.Trial:
    """A trial that an interruption left, to go on with."""
    return optuna.Trial(study, trial._trial_id)
