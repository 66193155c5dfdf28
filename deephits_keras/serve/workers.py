"""Worker processes that extract features, each of which can die alone.

A process that decodes what strangers send may crash, hang or run out of memory. The pools at hand
fail as a whole then (`concurrent.futures`, loky), or share a lock that a killed process keeps
(pebble). Here every process has a pipe of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from deephits_keras.errors import DeepHitsError
from deephits_keras.prediction.extraction import ExtractedTrack, TrackExtractor
from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.worker import Task, work

STARTING_SECONDS, CLOSING_SECONDS = 120.0, 5.0
PRELOADED = ["deephits_keras.serve.preloaded"]
"""Imported once, so that a new process starts in milliseconds."""


class WorkerDiedError(Exception):
    """The process of a worker has ended."""


class Worker:
    """One process, and its pipe.

    Args:
        extractor: Extracts the features; sent to the process.
    """

    def __init__(self, extractor: TrackExtractor) -> None:
        # Not by forking this process, which has threads.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, extractor), daemon=True)
        self.process.start()
        theirs.close()
        self._loaded = False

    def wait_until_loaded(self) -> None:
        """Wait until it can answer, which doesn't count as the time of a track.

        Raises:
            WorkerDiedError: if the process ends before, or takes minutes.
        """
        if self._loaded:
            return
        try:
            if not self._pipe.poll(STARTING_SECONDS):
                raise WorkerDiedError
            self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise WorkerDiedError from error
        self._loaded = True

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.is_alive()

    def ask(self, task: Task, seconds: float) -> ExtractedTrack | str:
        """The track with its features, or why they can't be extracted.

        Raises:
            WorkerDiedError: if the process ends before it has answered.
            TimeoutError: if it takes longer than `seconds`.
        """
        self.wait_until_loaded()
        try:
            self._pipe.send(task)
            if not self._pipe.poll(seconds):
                raise TimeoutError
            answer: ExtractedTrack | str = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionError) as error:
            raise WorkerDiedError from error
        return answer

    def kill(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.join()
        self._pipe.close()

    def close(self) -> None:
        """Let the process finish, and end it if it doesn't."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self.process.join(CLOSING_SECONDS)
        self.kill()


class Workers:
    """Several worker processes; a track is given to the first that is free.

    Args:
        extractor: Extracts the features; sent to the process.
        count: Number of processes.
        seconds: Longest time for a track.
        restarted: Called for every process that is replaced.

    Raises:
        DeepHitsError: if a process can't be started.
    """

    def __init__(
        self,
        extractor: TrackExtractor,
        *,
        count: int,
        seconds: float,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._extractor, self._seconds, self._restarted = extractor, seconds, restarted
        # One thread per process: it waits for the answer.
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="deephits-worker")
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._all: list[Worker] = []
        for _ in range(count):
            self._idle.put(self._started())
        for worker in self._all:
            try:
                worker.wait_until_loaded()
            except WorkerDiedError:
                raise DeepHitsError(
                    "A worker process ended when it was started. A script that serves must do so "
                    'under `if __name__ == "__main__":`, as its worker processes import it'
                ) from None

    @property
    def pids(self) -> list[int]:
        """Ids of the running processes."""
        return [w.process.pid for w in self._all if w.alive and w.process.pid is not None]

    def extract(self, task: Task) -> ExtractedTrack:
        """The track with the features of the modalities; waits for a free process.

        Raises:
            RefusedError: if it takes too long, or two processes ended on it.
        """
        worker = self._idle.get()
        try:
            if not worker.alive:
                worker = self._replaced(worker)
            try:
                answer = worker.ask(task, self._seconds)
            except WorkerDiedError:
                # Perhaps not this track's fault: once more.
                worker = self._replaced(worker)
                answer = worker.ask(task, self._seconds)
        except TimeoutError:
            worker = self._replaced(worker)
            limit = f"its features could not be extracted within {self._seconds:g} s"
            raise RefusedError(422, f"track {task.track.id}: {limit}") from None
        except WorkerDiedError:
            worker = self._replaced(worker)
            track = f"track {task.track.id}"
            raise RefusedError(
                422, f"{track}: two processes ended while reading its input"
            ) from None
        finally:
            self._idle.put(worker)
        if isinstance(answer, str):
            raise RefusedError(422, answer)
        return answer

    def close(self) -> None:
        """Finish what was given to the processes, and end them."""
        self.threads.shutdown()
        for worker in self._all:
            worker.close()

    def _started(self) -> Worker:
        worker = Worker(self._extractor)
        self._all.append(worker)
        return worker

    def _replaced(self, worker: Worker) -> Worker:
        worker.kill()
        if worker in self._all:
            self._all.remove(worker)
        self._restarted()
        return self._started()
