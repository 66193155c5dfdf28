"""What happens to disks, clocks and processes: nothing is lost, nothing half-written counts.

`benchmarks/faults.py` is the long version of the kills.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Deephits = Callable[..., Any]


def benchmark(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


faults = benchmark("faults")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return Path(faults.make_corpus(tmp_path / "source", 12))


def extract(deephits: Deephits, corpus: Path) -> Any:
    return deephits("extract", corpus, "--modalities", "mel", "--mel-frames", "256", "--jobs", "1")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 KiB: a shard of twelve tracks of 128 x 256 float16 has 768 KiB, and a
    checkpoint of the smallest model more than a MiB.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small disk takes root")
    yield folder
    # Lazily: this process may still have a shard of it mapped.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(disk)], check=True)


def train(deephits: Deephits, corpus: Path, run: Path) -> Any:
    words = "--modalities meta=numeric --task tiers-3 --epochs 3 --batch-size 4 --jobs 1"
    return deephits("train", corpus, run, *words.split(), "--max-learning-rate", "0.01")


def test_a_full_disk_is_told_and_the_same_command_goes_on_once_there_is_room(
    corpus: Path, small_disk: Path, deephits: Deephits
) -> None:
    assert extract(deephits, corpus).code == 0
    whole = faults.contents(corpus / "features")
    source = corpus.parent
    words = ("import", "table", source / "tracks.csv", small_disk / "corpus")
    assert deephits(*words, "--audio", source / "audio").code == 0
    outcome = extract(deephits, small_disk / "corpus")
    assert outcome.code == 1
    assert "free some space and run the same command" in outcome.err
    assert "Traceback" not in outcome.err
    assert not list(small_disk.rglob("*.npy"))
    assert deephits("verify", small_disk / "corpus").code == 1
    remount(small_disk, "size=16m")
    assert extract(deephits, small_disk / "corpus").code == 0
    assert faults.contents(small_disk / "corpus" / "features") == whole


def test_training_that_fills_the_disk_goes_on_once_there_is_room(
    corpus: Path, small_disk: Path, tmp_path: Path, deephits: Deephits
) -> None:
    assert train(deephits, corpus, tmp_path / "whole").code == 0
    run = small_disk / "run"
    outcome = train(deephits, corpus, run)
    assert outcome.code == 1
    assert "free some space and run the same command" in outcome.err
    assert "Traceback" not in outcome.err
    assert not list(run.rglob("*.keras"))
    assert deephits("verify", run).code == 1
    remount(small_disk, "size=32m")
    assert deephits("train", corpus, run, "--resume").code == 0
    assert faults.run_contents(run) == faults.run_contents(tmp_path / "whole")
    assert deephits("verify", run).code == 0


def test_a_read_only_folder_can_be_read_and_is_told_where_it_cant_be_written(
    corpus: Path, small_disk: Path, tmp_path: Path, deephits: Deephits
) -> None:
    remount(small_disk, "size=64m")
    source, kept = corpus.parent, small_disk / "corpus"
    words = ("import", "table", source / "tracks.csv", kept, "--audio", source / "audio")
    assert deephits(*words).code == 0
    assert deephits("extract", kept, "--modalities", "meta=numeric", "--jobs", "1").code == 0
    assert train(deephits, kept, small_disk / "run").code == 0
    remount(small_disk, "ro")
    for refused in (
        deephits(*words),
        extract(deephits, kept),
        train(deephits, kept, small_disk / "other"),
        deephits("sample", small_disk / "sample", "--tracks", "20"),
        deephits("explain", small_disk / "run", "--set", "tempo=120"),
    ):
        assert refused.code == 2, refused.err
        assert "Read-only file system" in refused.err
        assert "Traceback" not in refused.err
    # What is there serves: for training elsewhere, for predictions, for a check.
    assert train(deephits, kept, tmp_path / "run").code == 0
    assert deephits("predict", small_disk / "run", "--set", "tempo=120").code == 0
    assert deephits("verify", kept).code == 0
    assert deephits("verify", small_disk / "run").code == 0


def test_leftovers_of_a_killed_writer_go_and_those_of_a_living_one_stay(
    corpus: Path, deephits: Deephits
) -> None:
    assert extract(deephits, corpus).code == 0
    [store] = (corpus / "features" / "mel_cnn").iterdir()
    whole = faults.contents(corpus / "features")
    dead, alive = store / ".partial-dead.npy", store / ".partial-alive.npy"
    for path in (dead, alive):
        path.write_bytes(b"half of a shard")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert extract(deephits, corpus).code == 0
    assert not dead.exists()
    assert alive.exists()
    assert faults.contents(corpus / "features") == whole
    assert deephits("verify", corpus).code == 0


@pytest.mark.parametrize("moved", [0, 4_000_000_000])
def test_times_of_files_decide_nothing(corpus: Path, deephits: Deephits, moved: int) -> None:
    """Files of 1970 and of 2096: what is whole stays, what is damaged is found and mended."""
    assert extract(deephits, corpus).code == 0
    whole = faults.contents(corpus / "features")
    for path in corpus.parent.rglob("*"):
        os.utime(path, (moved, moved))
    [shard] = corpus.rglob("part-*.npy")
    assert extract(deephits, corpus).code == 0
    assert shard.stat().st_mtime == moved
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    os.utime(shard, (moved, moved))
    # A process of its own: within one, a file of the same size and time isn't read again.
    words = ["extract", str(corpus), "--modalities", "mel", "--mel-frames", "256"]
    subprocess.run([sys.executable, "-m", "deephits_keras", *words], check=True)
    mended = faults.contents(corpus / "features")
    assert mended.keys() == whole.keys()
    # A shard's record holds the times of the recordings; nothing else is another.
    assert [name for name in whole if mended[name] != whole[name]] == [
        name for name in whole if name.endswith("part-00000.json")
    ]


@pytest.mark.nightly
def test_kills_of_extraction_and_of_training_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "faults.py"), "--kills", "1", "--seed", "3"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tried, 2 survived" in done.stdout
