"""Extraction on a cluster: a real Dask scheduler and worker processes on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import Toy, make_corpus

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.engines import engine
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.shards import store_folder

pytest.importorskip("distributed")

Start = Callable[..., subprocess.Popen[bytes]]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `dask` programs, and end them after the test."""
    started: list[subprocess.Popen[bytes]] = []
    paths = [str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH", "")]

    def run(*words: str) -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *words, "--no-dashboard"],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(start: Start, tmp_path: Path) -> str:
    file = tmp_path / "scheduler.json"
    start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            return str(json.loads(file.read_text())["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.1)
    raise TimeoutError


def start_worker(start: Start, scheduler: str) -> subprocess.Popen[bytes]:
    return start("worker", scheduler, "--nthreads", "1", "--no-nanny")


def wait_for_workers(scheduler: str, count: int) -> None:
    from distributed import Client

    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=120)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_no_byte(
    start: Start, scheduler: str, tmp_path: Path
) -> None:
    alone = make_corpus(tmp_path / "alone", 96, {5: "bad", 9: "lacking"})
    extract_features(alone, Toy(), jobs=1, shard_size=4)

    corpus = make_corpus(tmp_path / "cluster", 96, {5: "bad", 9: "lacking"})
    folder = store_folder(corpus, Toy())
    workers = [start_worker(start, scheduler) for _ in range(3)]
    wait_for_workers(scheduler, 3)
    complete_at_the_kill = []

    def kill_one_in_the_middle() -> None:
        while len(list(folder.glob("part-*.json"))) < 3:
            time.sleep(0.02)
        workers[1].kill()
        complete_at_the_kill.append(len(list(folder.glob("part-*.json"))))

    killer = threading.Thread(target=kill_one_in_the_middle)
    killer.start()
    with engine("dask", scheduler):
        summary = extract_features(corpus, Toy.from_config({"seconds": 0.1}), jobs=-1, shard_size=4)
    killer.join()
    assert complete_at_the_kill[0] < 24
    assert summary.extracted == 96
    whole = {n: b for n, b in contents(folder).items() if not n.startswith(".partial-")}
    assert whole == contents(store_folder(alone, Toy()))


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_given_up(
    start: Start, scheduler: str, tmp_path: Path
) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12, {1: "killed"})
    for _ in range(5):  # Dask gives up after the fourth
        start_worker(start, scheduler)
    wait_for_workers(scheduler, 5)
    with pytest.raises(DeepHitsError, match="Dask gave up on a task"), engine("dask", scheduler):
        extract_features(corpus, Toy(), jobs=-1, shard_size=4)


def test_what_cant_be_right_is_told(tmp_path: Path, deephits: Callable[..., Any]) -> None:
    corpus = make_corpus(tmp_path / "corpus", 6)
    for words, told in (
        (["--scheduler", "tcp://127.0.0.1:9"], "choose --engine"),
        (["--engine", "dask"], "needs the address of a scheduler"),
        (["--engine", "dask", "--scheduler", "nonsense://x"], "No Dask scheduler answers"),
    ):
        outcome = deephits("extract", corpus.folder, "--modalities", "meta", *words)
        assert outcome.code == 2
        assert told in outcome.err


def test_an_engine_that_isnt_there_is_named() -> None:
    with pytest.raises(UserError, match="no engine named 'abacus'"), engine("abacus"):
        pass
