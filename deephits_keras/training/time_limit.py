"""A limit to the minutes of a training: its schedule is fitted to them, and it ends in time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from deephits_keras.pipeline.batches import Batches
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.optimizer import OneCycle
from deephits_keras.training.state import TrainingState, write_values

REHEARSED_STEPS = 8
"""Steps that are timed before the first epoch."""

MARGIN = 0.95
"""Fraction of the time that the schedule is fitted to: later steps may be slower."""

Fit = Callable[[Batches, Sequence[keras.callbacks.Callback]], Any]


class Deadline(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a training at the end of the step at which its time is over.

    Args:
        seconds: Time from now.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    @classmethod
    def from_training(
        cls, training: TrainingConfig, history: Sequence[Mapping[str, Any]], started: float
    ) -> Self | None:
        """The end of a training's time limit, if it has one.

        Args:
            training: Its settings.
            history: Epochs before a resumption, which have used a part of the time.
            started: When it was started or resumed, by `time.monotonic`.
        """
        if not training.time_limit:
            return None
        spent = sum(epoch["seconds"] for epoch in history) + time.monotonic() - started
        return cls(60 * training.time_limit - spent)

    @property
    def left(self) -> float:
        """Seconds that are left; negative after the end."""
        return self._end - time.monotonic()

    def reserve(self, seconds: float) -> None:
        """Set the end earlier by some seconds, for what follows the last step."""
        self._end -= seconds

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop within an epoch."""
        self._check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop after an epoch."""
        self._check()

    def _check(self) -> None:
        if self.left <= 0:
            self.model.stop_training = True


class _Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends an epoch after a few steps, and times them.

    Args:
        steps: Number of steps.
        deadline: Ends it before.
    """

    def __init__(self, steps: int, deadline: Deadline) -> None:
        super().__init__()
        self._ends: list[float] = []
        self._steps, self._deadline = steps, deadline

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time."""
        self._ends.append(time.monotonic())
        if len(self._ends) == self._steps or self._deadline.left <= 0:
            self.model.stop_training = True

    @property
    def seconds_per_step(self) -> float:
        """Mean of the steps after the first, which also traces the model; 0 if there is none."""
        steps = np.diff(self._ends)
        return float(steps.mean()) if steps.size else 0.0


def fit_to_time(
    model: keras.Model,
    batches: Batches,
    fit: Fit,
    deadline: Deadline,
    *,
    epochs: int,
    score: Callable[[], object],
    scored_again: float,
) -> bool:
    """Shorten a model's learning rate schedule so that it ends in time.

    A few steps are taken to measure them, and undone. A schedule that ends in time isn't changed,
    so that the training is the one without a limit.

    Args:
        model: The model with its optimizer, which is built.
        batches: Batches of the next epoch.
        fit: Trains on batches with callbacks.
        deadline: The end; the time of the last scoring is taken from it.
        epochs: Number of epochs to come.
        score: Scores the validation tracks, as at the end of each epoch.
        scored_again: Time of what follows the last epoch, in scorings of the validation tracks.

    Returns:
        Whether the schedule was shortened; a training step that was traced before has the old one.
    """
    variables = [*model.variables, *model.optimizer.variables]
    kept = [keras.ops.convert_to_numpy(variable) for variable in variables]
    watch = _Stopwatch(REHEARSED_STEPS, deadline)
    fit(batches, [watch])
    first_step = _seconds_of(lambda: fit(batches, [_Stopwatch(1, deadline)]))
    for variable, value in zip(variables, kept, strict=True):
        variable.assign(value)
    score()
    scoring = _seconds_of(score)
    deadline.reserve(scoring * (1 + scored_again))
    # The first step of an epoch waits for its batches; after the last its values are written.
    values = _seconds_of(lambda: _write(model))
    around = first_step + scoring + values
    epoch = watch.seconds_per_step * (len(batches) - 1) + around
    possible = max(int(MARGIN * deadline.left / epoch * len(batches)), 1)
    if possible >= epochs * len(batches):
        return False
    _shorten(model.optimizer, possible)
    return True


def _seconds_of(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _write(model: keras.Model) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_values(Path(folder) / "values.npz", model)


def _shorten(optimizer: Any, steps: int) -> None:
    """End the schedule that many steps from now."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    done = int(keras.ops.convert_to_numpy(optimizer.iterations))
    for cycle in (getattr(optimizer, "_learning_rate", None), getattr(optimizer, "beta_1", None)):
        if isinstance(cycle, OneCycle):
            cycle.steps = done + steps


def time_note(training: TrainingConfig, state: TrainingState) -> dict[str, Any]:
    """The entry of `metrics.json` that says what a time limit did; none without a limit."""
    if not training.time_limit:
        return {}
    ended = state.finished_epochs < training.epochs and not state.out_of_patience(training.patience)
    epochs = {"epochs": state.finished_epochs, "planned_epochs": training.epochs}
    return {"time_limit": {"minutes": training.time_limit, **epochs, "ended_training": ended}}
