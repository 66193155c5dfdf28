"""One trial: a training on the training part, measured on the validation part alone."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from deephits_keras.corpus.splits import Split
from deephits_keras.corpus.table import Corpus
from deephits_keras.errors import DeepHitsError
from deephits_keras.runs.files import CONFIG, STATE
from deephits_keras.runs.run import Run
from deephits_keras.training.state import TrainingState
from deephits_keras.training.time_limit import Deadline
from deephits_keras.training.trainer import train_epochs
from deephits_keras.tuning.asked import Asked
from deephits_keras.tuning.metric import Metric
from deephits_keras.tuning.search import COMPLETE, CUT, FAILED, PRUNED, Result, run_folder
from deephits_keras.tuning.study import locked, open_study, trial_of


@dataclass(frozen=True)
class Trial:
    """A trial to carry out, with all that a worker process needs.

    Attributes:
        number: Its number, from 0.
        corpus: Folder of the corpus.
        folder: Folder of the search.
        asked: The arguments of its training.
        metric: What is measured.
        seed: Seed of the search.
        prune: Whether it may be ended early if it is worse than others were.
        warmup: Epochs before which it isn't.
        ends: Time (`time.time`) at which it is ended; None for no limit.
    """

    number: int
    corpus: Path
    folder: Path
    asked: Asked
    metric: Metric
    seed: int
    prune: bool
    warmup: int
    ends: float | None = None

    @property
    def run(self) -> Path:
        """Folder of its training."""
        return run_folder(self.folder, self.number)


def carry_out(trial: Trial) -> Result:
    """Train a trial, or go on with an interrupted one. Called in a worker process."""
    began = time.monotonic()
    try:
        # A process of a killed search may still be at it.
        with locked(trial.run.with_suffix(".lock"), wait=True):
            result = _trained(trial)
    except DeepHitsError as error:
        result = Result(FAILED, reason=str(error))
    except Exception as error:
        # An encoder of others may raise anything: one trial fails, not the search.
        result = Result(FAILED, reason=f"{type(error).__name__}: {error}")
    keras.backend.clear_session()
    return dataclasses.replace(result, seconds=time.monotonic() - began)


def _trained(trial: Trial) -> Result:
    corpus = Corpus.open(trial.corpus)
    if (trial.run / CONFIG).exists():
        run = Run(trial.run)
    else:
        plan = trial.asked.plan(corpus, trial.run)
        plan = dataclasses.replace(plan, split=without_test(plan.split))
        # Two trials may need the same features, which nobody has extracted yet.
        with locked(trial.folder / "extraction.lock", wait=True):
            run = plan.begin(jobs=1)
    watch = _Watch(trial, TrainingState.open(trial.run / STATE).history)
    deadline = None if trial.ends is None else Deadline(trial.ends - time.time())
    if not watch.pruned:
        train_epochs(run, corpus, callbacks=[watch, *([deadline] if deadline else [])])
    state = TrainingState.open(trial.run / STATE)
    training = run.config.training
    whole = state.finished_epochs == training.epochs or state.out_of_patience(training.patience)
    outcome = PRUNED if watch.pruned else COMPLETE if whole else CUT
    value = state.history[state.best_epoch - 1].get(trial.metric.column)
    if value is None:
        raise DeepHitsError(f"{trial.metric.name} is not defined on the validation tracks")
    return Result(outcome, float(value), state.finished_epochs, state.best_epoch)


def without_test(split: Split) -> Split:
    """A split without its test part, whose tracks no trial reads."""
    parts = {part: rows for part, rows in split.parts.items() if part != "test"}
    return dataclasses.replace(split, parts=parts)


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports each epoch to the study, and ends a trial that is to be pruned."""

    def __init__(self, trial: Trial, history: list[dict[str, Any]]) -> None:
        super().__init__()
        study = open_study(
            trial.folder,
            maximise=trial.metric.maximise,
            seed=trial.seed,
            number=trial.number,
            warmup=trial.warmup,
        )
        (own,) = (each for each in study.get_trials(deepcopy=False) if each.number == trial.number)
        self._known = set(own.intermediate_values)
        self._trial = trial_of(study, own)
        self._settings = trial
        self.pruned = False
        for epoch, metrics in enumerate(history):
            # Of an interrupted trial: it may have been interrupted before its last report.
            self._tell(epoch, metrics.get(trial.metric.column))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the epoch."""
        self._tell(epoch, (logs or {}).get(f"val_{self._settings.metric.name}"))
        if self.pruned:
            self.model.stop_training = True

    def _tell(self, epoch: int, value: float | None) -> None:
        if value is None or self.pruned:
            return
        if epoch not in self._known:
            self._trial.report(float(value), epoch)
        self.pruned = self._settings.prune and self._trial.should_prune()
