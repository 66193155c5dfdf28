"""Requests that arrive within a few milliseconds, computed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass
class _Waiting(Generic[Job, Answer]):
    job: Job
    rows: int
    answer: asyncio.Future[Answer] = field(default_factory=asyncio.Future)


class Batcher(Generic[Job, Answer]):
    """Gives jobs to a function in batches, one batch at a time, in a thread of its own.

    A batch is complete when it has `size` rows, or `seconds` after its first job came; jobs that
    come while one is computed form the next.

    Args:
        work: Answers jobs, in their order. An exception among the answers is raised to its job; if
            it raises one itself, each job is tried alone.
        size: Most rows per batch; a job of more is a batch of its own.
        seconds: Time to wait for more jobs.
        computed: Called with the rows of each batch.
    """

    def __init__(
        self,
        work: Callable[[list[Job]], Sequence[Answer | Exception]],
        *,
        size: int,
        seconds: float,
        computed: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._work, self._size, self._seconds, self._computed = work, size, seconds, computed
        self._waiting: list[_Waiting[Job, Answer]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deephits-model")
        self._running: asyncio.Task[None] | None = None

    async def answer(self, job: Job, rows: int = 1) -> Answer:
        """The answer to a job.

        Args:
            job: The job.
            rows: How many rows of a batch it is.
        """
        waiting: _Waiting[Job, Answer] = _Waiting(job, rows)
        self._waiting.append(waiting)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await waiting.answer

    async def close(self) -> None:
        """Finish every job that was given."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()

    async def _run(self) -> None:
        while self._waiting:
            if sum(each.rows for each in self._waiting) < self._size:
                await asyncio.sleep(self._seconds)
            batch = self._next()
            jobs = [each.job for each in batch]
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, self._answers, jobs)
            self._computed(sum(each.rows for each in batch))
            for each, answer in zip(batch, answers, strict=True):
                # Whoever asked may have gone.
                with contextlib.suppress(asyncio.InvalidStateError):
                    if isinstance(answer, Exception):
                        each.answer.set_exception(answer)
                    else:
                        each.answer.set_result(answer)

    def _next(self) -> list[_Waiting[Job, Answer]]:
        count, rows = 0, 0
        for each in self._waiting:
            if count and rows + each.rows > self._size:
                break
            count, rows = count + 1, rows + each.rows
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _answers(self, jobs: list[Job]) -> Sequence[Answer | Exception]:
        try:
            return self._work(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [answer for job in jobs for answer in self._answers([job])]
