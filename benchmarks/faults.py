"""`kill -9` at random moments of extraction and of training, then resume: is anything lost?

    python benchmarks/faults.py --kills 20

Each kill happens at a moment drawn uniformly from the time that the work takes undisturbed. Every
other extraction loses its whole process group; the rest only the parent, whose workers go on while
the resumed run works beside them. A trial survives if resuming succeeds and the store is the same
bytes as an undisturbed one's; for training, if split, history, metrics, baselines and predictions
are, and if `deephits verify` then finds the folder whole.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

EXTRACT = """
import pathlib, sys
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.corpus.table import Corpus
corpus = Corpus.open(pathlib.Path(sys.argv[1]))
encoders = corpus_encoders(corpus, "mel,meta", {"mel": {"frames": 64}})
print("working", flush=True)
for encoder in encoders.values():
    extract_features(corpus, encoder, jobs=2, shard_size=4)
"""
TRAIN = """
import pathlib, sys
from deephits_keras.cli import main
from deephits_keras.cli.common import import_keras
import_keras()
import deephits_keras.training.trainer
print("working", flush=True)
corpus, run = sys.argv[1:3]
if (pathlib.Path(run) / "config.json").exists():
    main(["train", corpus, run, "--resume"])
main(["train", corpus, run, *"--modalities meta --epochs 8 --batch-size 8 --task tiers-3".split(),
      "--max-learning-rate", "0.01"])
"""
COMPARED = (
    "split.parquet",
    "history.csv",
    "metrics.json",
    "baselines.json",
    "predictions.parquet",
)


def make_corpus(folder: Path, tracks: int = 48) -> Path:
    """One second of noise per track, and columns."""
    from deephits_keras.corpus import import_table

    rng = np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    for n in range(tracks):
        soundfile.write(folder / f"audio/t{n:03}.mp3", 0.1 * rng.standard_normal(22050), 22050)
    table = pd.DataFrame({"track_id": [f"t{n:03}" for n in range(tracks)]})
    table["popularity"] = rng.integers(0, 101, tracks)
    table["tempo"] = 60 + table["popularity"] + rng.normal(0, 5, tracks)
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus", audio=folder / "audio")
    return folder / "corpus"


def start(program: str, *words: Path) -> subprocess.Popen[str]:
    """Start the work in a process group of its own; returns when it begins to work."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def finish(process: subprocess.Popen[str]) -> int:
    process.communicate()
    return process.returncode


def kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".partial-"))
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def run_contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in COMPARED if (run / name).exists()}


def is_whole(folder: Path) -> bool:
    from deephits_keras.verification import verify

    return verify(folder).whole


def seconds_of(work: Callable[[], subprocess.Popen[str]]) -> float:
    process = work()
    began = time.monotonic()
    assert finish(process) == 0
    return time.monotonic() - began


def trials(
    kills: int,
    rng: random.Random,
    seconds: float,
    trial: Callable[[float, int], bool | None],
    what: str,
) -> int:
    """Repeat until `kills` of them hit the work before its end; how many survived."""
    tried = survived = attempts = 0
    while tried < kills:
        attempts += 1
        if attempts > 4 * kills + 8:
            raise SystemExit(f"{what}: too few kills hit the work before its end")
        outcome = trial(rng.uniform(0, seconds), attempts)
        if outcome is not None:
            tried += 1
            survived += outcome
    print(f"{what}: {tried} tried, {survived} survived", flush=True)
    return survived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        corpus = make_corpus(base / "source")
        whole = base / "source" / "whole"
        shutil.copytree(corpus, whole)
        extracting = seconds_of(lambda: start(EXTRACT, whole))
        stores = contents(whole / "features")
        training = seconds_of(lambda: start(TRAIN, whole, base / "run"))
        figures = run_contents(base / "run")
        assert len(figures) == len(COMPARED)

        def extract_trial(moment: float, number: int) -> bool | None:
            # Beside the others: the paths of recordings are relative to the corpus.
            copy = base / "source" / f"copy{number}"
            shutil.copytree(corpus, copy)
            process = start(EXTRACT, copy)
            time.sleep(moment)
            hit = process.poll() is None
            process.kill()
            if number % 2:
                kill_group(process)
            resumed = finish(start(EXTRACT, copy)) == 0
            kill_group(process)
            finish(process)
            same = contents(copy / "features") == stores and is_whole(copy)
            shutil.rmtree(copy)
            return (resumed and same) if hit else None

        def train_trial(moment: float, number: int) -> bool | None:
            run = base / f"run{number}"
            process = start(TRAIN, whole, run)
            time.sleep(moment)
            hit = process.poll() is None
            kill_group(process)
            finish(process)
            if not hit:
                return None
            code = finish(start(TRAIN, whole, run))
            finished = code == 0 or (code == 2 and (run / "report.html").exists())
            return finished and run_contents(run) == figures and is_whole(run)

        survived = trials(options.kills, rng, extracting, extract_trial, "extraction")
        survived += trials(options.kills, rng, training, train_trial, "training")
    print(f"{2 * options.kills} tried, {survived} survived")
    return 0 if survived == 2 * options.kills else 1


if __name__ == "__main__":
    raise SystemExit(main())
