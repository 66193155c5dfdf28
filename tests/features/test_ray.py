"""Extraction on Ray: a real cluster with three worker processes on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import Toy, make_corpus

from deephits_keras.corpus.table import Corpus
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.shards import store_folder

if not os.environ.get("CI"):
    pytest.importorskip("ray")


EXTRACT = """
import pathlib, sys
from toys import Corpus, Toy
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.engines import engine
from deephits_keras.errors import DeepHitsError
toy = Toy.from_config({"seconds": float(sys.argv[3])})
try:
    with engine("ray", sys.argv[2]):
        extract_features(Corpus.open(pathlib.Path(sys.argv[1])), toy, shard_size=4)
except DeepHitsError as error:
    raise SystemExit(f"{type(error).__name__}: {error}")
"""

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        filter(None, [str(Path(__file__).parents[1] / "helpers"), os.environ.get("PYTHONPATH")])
    ),
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Ray reads its own when it is imported: everything that imports it is a process of its own."""


def extract(corpus: Corpus, address: str, seconds: float = 0.0) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", EXTRACT, str(corpus.folder), address, str(seconds)]
    return subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a cluster of this test's own, ended after it."""
    # The paths of sockets have a hundred letters at most: not below `tmp_path`.
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        words = ["--head", "--block", "--port", "0", "--num-cpus", "3", "--temp-dir", folder]
        words += ["--include-dashboard", "false", "--object-store-memory", "80000000"]
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *words],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield address_in(Path(folder), head)
        finally:
            head.terminate()
            head.wait(60)


def address_in(folder: Path, head: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and head.poll() is None:
        if (file := folder / "ray_current_cluster").exists() and (address := file.read_text()):
            return address.strip()
        time.sleep(0.1)
    raise RuntimeError("Ray's head didn't start")


def workers_at_work() -> list[int]:
    """Process ids of Ray workers that are busy with a task of ours: it is in their title."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::_run"):
            found.append(int(folder.name))
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith(".partial-")}


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_no_byte(cluster: str, tmp_path: Path) -> None:
    behaviour = {5: "bad", 9: "lacking"}
    alone = make_corpus(tmp_path / "alone", 96, behaviour)
    extract_features(alone, Toy(), jobs=1, shard_size=4)

    corpus = make_corpus(tmp_path / "cluster", 96, behaviour)
    folder = store_folder(corpus, Toy())
    child = extract(corpus, cluster, seconds=0.1)
    while child.poll() is None:
        complete = len(list(folder.glob("part-*.json")))
        if complete >= 3 and (at_work := workers_at_work()):
            os.kill(at_work[0], signal.SIGKILL)
            break
        time.sleep(0.02)
    _, told = child.communicate(timeout=100)
    assert child.returncode == 0, told
    assert 3 <= complete < 24
    assert contents(folder) == contents(store_folder(alone, Toy()))


@pytest.mark.slow
@pytest.mark.nightly
def test_a_task_that_kills_every_worker_is_given_up(cluster: str, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12, {1: "killed"})
    _, told = extract(corpus, cluster).communicate(timeout=100)
    assert "DeepHitsError: Ray gave up on a task" in told
    assert "run the same command again" in told


def test_the_users_mistake_comes_back_as_it_was_made(cluster: str, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12, {1: "settings"})
    _, told = extract(corpus, cluster).communicate(timeout=100)
    assert told.splitlines()[-1] == "UserError: the toy needs batteries"


def test_a_cluster_that_isnt_there_is_told(tmp_path: Path, deephits: Callable[..., Any]) -> None:
    corpus = make_corpus(tmp_path / "corpus", 6)
    words = ("extract", corpus.folder, "--modalities", "meta", "--engine", "ray", "--scheduler")
    for address in ("nonsense", "127.0.0.1:9"):
        outcome = deephits(*words, address)
        assert outcome.code == 2, outcome.err
        assert f"No Ray cluster answers at {address}" in outcome.err
        assert "Traceback" not in outcome.err
