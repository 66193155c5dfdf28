"""Worker processes for results that are needed in order, not in a store: `predict` and `embed`.

Each task is a few tracks. A bounded number of tasks is computed ahead of the consumer, so that
memory doesn't grow if the workers are faster than it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from deephits_keras.choices import ENGINES
from deephits_keras.errors import UserError
from deephits_keras.features.engines import dask_client, ray_started

T = TypeVar("T")
R = TypeVar("R")

TASK = 8
"""Items per task: some 0.3 s of work for recordings, so that all workers end at the same time."""

AHEAD = 32
"""Tasks that are computed ahead at most, or two per process: some seconds of work for two
processes, about as much as it takes to load a model, which happens when the first are finished."""


class Pending(Protocol):
    """A result to wait for: a future of `concurrent.futures`, Dask or Ray."""

    def result(self) -> Any: ...  # noqa: D102

    def cancel(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Workers:
    """Processes that compute tasks.

    Attributes:
        count: Number of processes; one task each keeps them all busy.
        submit: Starts a function on an argument.
        died: Exceptions of a task whose process died.
    """

    count: int
    submit: Callable[[Callable[[Any], Any], Any], Pending]
    died: tuple[type[BaseException], ...]

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """Exceptions of a task that says nothing of its items."""
        return (*self.died, MemoryError)


@contextlib.contextmanager
def workers(jobs: int, engine: str = "local", scheduler: str | None = None) -> Iterator[Workers]:
    """Workers on this machine or a cluster.

    Args:
        jobs: Number of processes on this machine; -1: one per core.
        engine: A name in `ENGINES`.
        scheduler: Address of the cluster's scheduler, as in `engines.engine`.

    Raises:
        UserError: if the engine is unknown or not installed, or the scheduler doesn't answer.
    """
    if engine == "local":
        with _local(cores(jobs)) as own:
            yield own
    elif engine == "dask":
        with dask_client(scheduler) as client:
            yield _on_dask(client)
    else:
        with ray_started(scheduler) as ray:
            yield _on_ray(ray)


@dataclass(frozen=True)
class Crew:
    """Settings of workers; see `workers`."""

    jobs: int = -1
    engine: str = "local"
    scheduler: str | None = None

    @contextlib.contextmanager
    def started(self) -> Iterator[Callable[[], Workers] | None]:
        """A function that starts the workers on its first call; None if one process does it all.

        A cluster is left at the end of the block.
        """
        if self.engine == "local" and cores(self.jobs) == 1:
            yield None
            return
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(workers(self.jobs, self.engine, self.scheduler))


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes that can't be.

    Raises:
        UserError: if it is 0.
    """
    if jobs == 0:
        raise UserError("The number of jobs must be positive, or -1 for one per core. Received: 0")


def check_engine(jobs: int, engine: str, scheduler: str | None) -> None:
    """Refuse settings of workers that can't be, without importing an engine.

    Raises:
        UserError: if the number of jobs is 0, the engine is unknown, or its scheduler isn't given.
    """
    check_jobs(jobs)
    if engine not in ENGINES:
        raise UserError(f"There is no engine named {engine!r}. Engines: {', '.join(ENGINES)}")
    if engine == "local" and scheduler is not None:
        raise UserError("--scheduler is the address of a cluster: choose --engine dask or ray")


def cores(jobs: int) -> int:
    """Number of processes for a setting `jobs`."""
    # Importing it takes as long as a few songs.
    import joblib

    return int(joblib.effective_n_jobs(jobs))


@contextlib.contextmanager
def _local(count: int) -> Iterator[Workers]:
    # Not the reusable pool: joblib, which extraction uses, expects that one to be of its own kind.
    from joblib.externals.loky import ProcessPoolExecutor

    pools = [ProcessPoolExecutor(count)]

    def submit(function: Callable[[Any], Any], argument: Any) -> Pending:
        future: Pending
        try:
            future = pools[-1].submit(function, argument)
        except BrokenProcessPool:
            # It breaks when one of its processes dies.
            pools.append(ProcessPoolExecutor(count))
            future = pools[-1].submit(function, argument)
        return future

    try:
        yield Workers(count, submit, (BrokenProcessPool,))
    finally:
        for pool in pools:
            pool.shutdown(kill_workers=True)


def _on_dask(client: Any) -> Workers:
    import distributed

    def submit(function: Callable[[Any], Any], argument: Any) -> Pending:
        future: Pending = client.submit(function, argument, pure=False)
        return future

    return Workers(max(sum(client.nthreads().values()), 1), submit, (distributed.KilledWorker,))


def _on_ray(ray: Any) -> Workers:
    run = ray.remote(_called)

    def submit(function: Callable[[Any], Any], argument: Any) -> Pending:
        future: Pending = run.remote(function, argument).future()
        return future

    count = int(ray.cluster_resources().get("CPU", 1))
    died = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
    return Workers(max(count, 1), submit, died)


def _called(function: Callable[[Any], Any], argument: Any) -> Any:
    return function(argument)


def in_order(
    groups: Iterable[tuple[T, Sequence[Any]]],
    work: Callable[[Sequence[Any]], list[R]],
    workers: Workers | None,
    lost: Callable[[Any, str], R],
) -> Iterator[tuple[T, list[R]]]:
    """Compute groups of items in worker processes, and yield the results in the groups' order.

    Args:
        groups: What to yield with each result, and the items.
        work: Computes the results of some items, one each; is sent to the workers.
        workers: The workers; None to compute in this process.
        lost: The result of an item on which a worker process died, or ran out of memory, although
            nothing else was computed; gets the item and the reason.

    Yields:
        The first part of each group, and the result of each of its items.
    """
    if workers is None:
        for name, items in groups:
            yield name, work(items)
        return
    waiting: deque[tuple[T, list[tuple[Sequence[Any], Pending]]]] = deque()
    in_flight = 0
    try:
        for name, items in groups:
            tasks = [items[at : at + TASK] for at in range(0, len(items), TASK)]
            waiting.append((name, [(task, workers.submit(work, task)) for task in tasks]))
            in_flight += len(tasks)
            while in_flight > max(AHEAD, 2 * workers.count) and len(waiting) > 1:
                in_flight -= len(waiting[0][1])
                yield _finished(waiting, work, workers, lost)
        while waiting:
            yield _finished(waiting, work, workers, lost)
    finally:
        for _, pending in waiting:
            for _, future in pending:
                future.cancel()


def _finished(
    waiting: deque[tuple[T, list[tuple[Sequence[Any], Pending]]]],
    work: Callable[[Sequence[Any]], list[R]],
    workers: Workers,
    lost: Callable[[Any, str], R],
) -> tuple[T, list[R]]:
    """The oldest group, when its results are there."""
    name, pending = waiting[0]
    results: list[R] = []
    for task, future in pending:
        try:
            results += future.result()
        except workers.failures:
            # The death of a process breaks the local pool, and every task in flight fails with it.
            _settle(waiting, workers)
            results += [_alone(item, work, workers, lost) for item in task]
    waiting.popleft()
    return name, results


def _settle(waiting: Iterable[tuple[Any, list[tuple[Any, Pending]]]], workers: Workers) -> None:
    """Wait until nothing is in flight, so that what dies next is the task that runs alone."""
    for _, pending in waiting:
        for _, future in pending:
            with contextlib.suppress(*workers.failures):
                future.result()


def _alone(
    item: Any,
    work: Callable[[Sequence[Any]], list[R]],
    workers: Workers,
    lost: Callable[[Any, str], R],
) -> R:
    try:
        (found,) = workers.submit(work, [item]).result()
    except workers.failures:
        return lost(item, "a worker process died of it, most often for lack of memory")
    result: R = found
    return result
