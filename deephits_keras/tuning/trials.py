"""The trials of a search, one after another or several at a time, until the budget is used up."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import optuna
from optuna.trial import TrialState

from deephits_keras.features.workers import Workers, cores, workers
from deephits_keras.runs.files import STATE
from deephits_keras.training.state import TrainingState
from deephits_keras.training.workflow import TrainingPlan
from deephits_keras.tuning.asked import own_value
from deephits_keras.tuning.names import PARTS
from deephits_keras.tuning.search import (
    COMPLETE,
    CUT,
    FAILED,
    PRUNED,
    Record,
    Result,
    Search,
    best_of,
    run_folder,
)
from deephits_keras.tuning.study import (
    draw,
    enqueue,
    locked,
    open_study,
    repair,
    sampler_of,
    trial_of,
)
from deephits_keras.tuning.trial import Trial, carry_out
from deephits_keras.utils.files import read_record, write_json
from deephits_keras.utils.progress import progress

TIME = "time.json"
ATTEMPTS = 3
"""Processes that may die in the same epoch of a trial."""

STATES = {
    COMPLETE: TrialState.COMPLETE,
    PRUNED: TrialState.PRUNED,
    CUT: TrialState.PRUNED,
    FAILED: TrialState.FAIL,
}


def study_of(search: Search) -> optuna.Study:
    """The study of a search."""
    return open_study(
        search.folder,
        maximise=search.metric.maximise,
        seed=search.asked.seed,
        warmup=search.warmup,
    )


def finished_trials(search: Search) -> list[Record]:
    """The finished trials of a search, by number."""
    records = []
    for trial in study_of(search).get_trials(deepcopy=False):
        if "result" in trial.user_attrs and trial.state.is_finished():
            values = {
                name: search.space[name].value(drawn)
                for name, drawn in trial.params.items()
                if name in search.space
            }
            records.append(Record(trial.number, values, Result(**trial.user_attrs["result"])))
    return records


class _Clock:
    """The time that a search has used, in all its processes one after another."""

    def __init__(self, search: Search) -> None:
        self._path = search.folder / TIME
        self._limit = None if search.minutes is None else 60 * search.minutes
        stored = (
            read_record(self._path, dict[str, float], "a search") if self._path.exists() else {}
        )
        self._before = stored.get("seconds", 0.0)
        self._began = time.monotonic()

    @property
    def used(self) -> float:
        return self._before + time.monotonic() - self._began

    @property
    def left(self) -> float | None:
        return None if self._limit is None else self._limit - self.used

    def store(self) -> None:
        write_json(self._path, {"seconds": self.used})


def carry_out_all(
    wanted: Search, plan: TrainingPlan, *, jobs: int = 1, report: Callable[[Record], None]
) -> list[Record]:
    """Carry out the trials that are left.

    Args:
        wanted: The search.
        plan: The training without the search, whose own values are the first trial.
        jobs: Number of trials at a time; -1: one per core.
        report: Called with each trial that finishes.

    Returns:
        All finished trials.

    Raises:
        UserError: if the folder holds something else, or another process searches there.
    """
    busy = f"Another process searches in {wanted.run}"
    wanted.folder.mkdir(parents=True, exist_ok=True)
    with locked(wanted.folder / "search.lock", wait=False, busy=busy):
        repair(wanted.folder)
        study = study_of(wanted)
        if not study.get_trials(deepcopy=False):
            own = {name: own_value(plan, wanted.asked, name) for name in wanted.space}
            enqueue(study, wanted.space, own)
        clock = _Clock(wanted)
        queue = _Queue(wanted, study, clock)
        at_once = cores(jobs)
        results = _carried_out(queue, at_once)
        for number, result in _with_progress(results, wanted, clock, at_once):
            queue.finish(number, result)
            clock.store()
            report(next(r for r in finished_trials(wanted) if r.number == number))
        clock.store()
        return finished_trials(wanted)


def _with_progress(
    results: Iterator[tuple[int, Result]], wanted: Search, clock: _Clock, jobs: int
) -> Iterator[tuple[int, Result]]:
    """Show how many of the trials are done; without a number of trials, how much of the time."""
    if wanted.trials is not None:
        left = max(wanted.trials - len(finished_trials(wanted)), 1)
        return progress(results, total=left, what="tuning, trials")
    seconds = max(round((clock.left or 0.0) * jobs), 1)
    return progress(
        results, total=seconds, what="tuning, seconds", weight=lambda each: round(each[1].seconds)
    )


class _Queue:
    """Gives the trials to carry out, and stores their results."""

    def __init__(self, wanted: Search, study: optuna.Study, clock: _Clock) -> None:
        self._search, self._study, self._clock = wanted, study, clock
        self._interrupted = [
            trial.number for trial in study.get_trials(states=(TrialState.RUNNING,))
        ]
        self._running: dict[int, optuna.Trial] = {}
        self._died: set[int] = set()

    @property
    def one_at_a_time(self) -> bool:
        """Whether a trial is waiting or running whose process died, maybe of another one."""
        return bool(self._died)

    def next(self) -> Trial | None:
        """The next trial, drawn or interrupted; None if the budget is used up."""
        while self._interrupted:
            number = self._interrupted.pop(0)
            self._study.sampler = sampler_of(self._search.asked.seed, number)
            trial = trial_of(self._study, self._study.get_trials(deepcopy=False)[number])
            if self._attempts(trial) < ATTEMPTS:
                return self._begun(trial)
            self._running[number] = trial
            died = "its process died, most often for lack of memory"
            self.finish(number, Result(FAILED, reason=died))
        drawn = [t for t in self._study.get_trials(deepcopy=False) if t.state != TrialState.WAITING]
        if self._search.trials is not None and len(drawn) >= self._search.trials:
            return None
        if self._too_late():
            return None
        self._study.sampler = sampler_of(self._search.asked.seed, len(drawn))
        return self._begun(self._study.ask())

    def again(self, number: int) -> None:
        """Put a trial back whose process died."""
        self._interrupted.append(number)
        self._died.add(number)

    def finish(self, number: int, result: Result) -> None:
        """Store a trial's result, and remove its folder unless it is the best."""
        trial = self._running.pop(number)
        self._died.discard(number)
        trial.set_user_attr("result", dataclasses.asdict(result))
        state = STATES[result.outcome]
        value = result.value if state == TrialState.COMPLETE else None
        self._study.tell(trial, value, state=state)
        records = finished_trials(self._search)
        best = best_of(self._search, records)
        for record in records:
            if best is None or record.number != best.number:
                folder = run_folder(self._search.folder, record.number)
                shutil.rmtree(folder, ignore_errors=True)
                folder.with_suffix(".lock").unlink(missing_ok=True)

    def _attempts(self, trial: optuna.Trial) -> int:
        """How often it was begun at the epoch at which it stands."""
        return list(trial.user_attrs.get("begun_at", ())).count(self._finished_epochs(trial.number))

    def _finished_epochs(self, number: int) -> int:
        state = run_folder(self._search.folder, number) / STATE
        return TrainingState.open(state).finished_epochs

    def _begun(self, trial: optuna.Trial) -> Trial:
        wanted = self._search
        begun_at = [*trial.user_attrs.get("begun_at", ()), self._finished_epochs(trial.number)]
        trial.set_user_attr("begun_at", begun_at)
        whole = [name for name in wanted.space if name in PARTS]
        values = draw(trial, wanted.space, whole)
        asked = wanted.asked_by(values)
        names = asked.applicable(wanted.space, wanted.corpus)
        asked = asked.with_values(draw(trial, wanted.space, names))
        self._running[trial.number] = trial
        left = self._clock.left
        return Trial(
            number=trial.number,
            corpus=wanted.corpus.folder.resolve(),
            folder=wanted.folder.resolve(),
            asked=asked,
            metric=wanted.metric,
            seed=wanted.asked.seed,
            prune=wanted.prune,
            warmup=wanted.warmup,
            ends=None if left is None else time.time() + left,
        )

    def _too_late(self) -> bool:
        """Whether a trial could hardly end in time: it would take more than half of it away."""
        left = self._clock.left
        if left is None:
            return False
        records = finished_trials(self._search)
        whole = [r.result.seconds for r in records if r.result.outcome == COMPLETE]
        return left <= (statistics.median(whole) / 2 if whole else 0.0) and bool(records)


def _carried_out(queue: _Queue, jobs: int) -> Iterator[tuple[int, Result]]:
    """The results of a queue's trials, as they finish."""
    if jobs == 1:
        while trial := queue.next():
            yield trial.number, carry_out(trial)
        return
    with workers(jobs) as crew:
        yield from _in_processes(queue, crew)


def _in_processes(queue: _Queue, crew: Workers) -> Iterator[tuple[int, Result]]:
    running: dict[Any, Trial] = {}
    while True:
        while len(running) < (1 if queue.one_at_a_time else crew.count) and (trial := queue.next()):
            running[crew.submit(carry_out, trial)] = trial
        if not running:
            return
        done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            trial = running.pop(future)
            try:
                result = future.result()
            except crew.failures:
                queue.again(trial.number)
                continue
            yield trial.number, result
