"""Engines that run extraction tasks: this machine's cores, or a cluster through joblib.

A cluster runs the same tasks: each reads the corpus and writes its own shard, so every worker must
see the corpus at the same path and have the same packages installed.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from deephits_keras.choices import ENGINES
from deephits_keras.errors import DeepHitsError, UserError

CONNECT_SECONDS = 30
"""Seconds to wait for a scheduler, and then for its first worker."""


@contextlib.contextmanager
def engine(name: str, scheduler: str | None = None) -> Iterator[None]:
    """Run the extractions of this block on an engine.

    Args:
        name: A name in `ENGINES`.
        scheduler: Address of the cluster's scheduler: `tcp://host:8786` for Dask; for Ray the
            address of its head, or None to start Ray on this machine.

    Raises:
        UserError: if the engine is unknown or not installed, or the scheduler doesn't answer or
            has no workers.
        DeepHitsError: if workers repeatedly died on the same task.
    """
    if name not in ENGINES:
        raise UserError(f"There is no engine named {name!r}. Engines: {', '.join(ENGINES)}")
    if name == "local":
        if scheduler is not None:
            raise UserError("--scheduler is the address of a cluster: choose --engine dask or ray")
        yield
        return
    with {"dask": _dask, "ray": _ray}[name](scheduler):
        yield


def _package(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"--engine {extra} needs a package that isn't installed ({error}): "
            f"pip install 'deephits-keras[{extra}]'"
        ) from error


@contextlib.contextmanager
def _dask(scheduler: str | None) -> Iterator[None]:
    import joblib

    distributed = _package("distributed", "dask")
    with dask_client(scheduler) as client:
        joblib.register_parallel_backend("deephits_dask", _dask_backend())
        try:
            with joblib.parallel_config(backend="deephits_dask", client=client):
                yield
        except (distributed.KilledWorker, distributed.client.FutureCancelledError) as error:
            raise DeepHitsError(
                f"Dask gave up on a task: {error} Complete results are kept: run the same command "
                "again, with workers that have more memory"
            ) from error


@contextlib.contextmanager
def dask_client(scheduler: str | None) -> Iterator[Any]:
    """A client of a Dask scheduler with at least one worker.

    Raises:
        UserError: if Dask isn't installed, or the scheduler doesn't answer or has no workers.
    """
    distributed = _package("distributed", "dask")
    if scheduler is None:
        raise UserError("--engine dask needs the address of a scheduler: --scheduler tcp://...")
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"No Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise UserError(
                f"The Dask scheduler at {scheduler} has no worker: start one with "
                f"`dask worker {scheduler}`"
            ) from error
        yield client


def _dask_backend() -> Any:
    backends = importlib.import_module("joblib._dask")

    class Backend(backends.DaskDistributedBackend):  # type: ignore[misc, name-defined]
        """joblib's backend, with an error if Dask gives up on a task; joblib would wait forever."""

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)

            def tell(done: Any) -> None:
                if error := done.exception():
                    callback(error)

            future.add_done_callback(tell)
            return future

    return Backend


@contextlib.contextmanager
def _ray(address: str | None) -> Iterator[None]:
    import joblib

    with ray_started(address) as ray:
        joblib.register_parallel_backend("deephits_ray", _ray_backend(ray))
        try:
            with joblib.parallel_config(backend="deephits_ray"):
                yield
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
            raise DeepHitsError(
                f"Ray gave up on a task: {error} Complete results are kept: run the same command "
                "again, with workers that have more memory"
            ) from error


@contextlib.contextmanager
def ray_started(address: str | None) -> Iterator[Any]:
    """The package `ray`, connected to a cluster, or to one that it starts on this machine.

    Raises:
        UserError: if Ray isn't installed, or no cluster answers.
    """
    ray = _package("ray", "ray")
    try:
        if address is not None:
            _reach(address)
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"No Ray cluster answers at {address}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise OSError or ValueError if nothing answers; Ray itself retries for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is None:
        raise ValueError("an address is HOST:PORT, for example 10.0.0.5:6379")
    socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()


def _ray_backend(ray: Any) -> Any:
    backends = importlib.import_module("joblib.parallel")
    run = ray.remote(_run)

    class Backend(backends.ParallelBackendBase):  # type: ignore[misc, name-defined]
        """Run each batch as a Ray task, restarted at most three times if its worker dies.

        `ray.util.joblib` uses actors instead: batches of a dead worker would be lost, and results
        would not be available one by one.
        """

        supports_retrieve_callback = True

        def effective_n_jobs(self, n_jobs: int | None) -> int:
            del n_jobs
            return max(1, int(ray.cluster_resources().get("CPU", 1)))

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = run.remote(func).future()
            future.add_done_callback(callback)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            try:
                return out.result()
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None

    return Backend


def _run(batch: Any) -> Any:
    return batch()
