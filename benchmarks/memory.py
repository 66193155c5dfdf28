"""Peak memory of each verb, on a corpus and on one of a tenth of its size."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.compare import Comparison

TRACKS = 100_000
COLUMNS = ("tempo", "energy", "artist_popularity")


RUN_AND_TELL = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr if done.returncode else b"")
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def peak(*words: object) -> float:
    """Peak resident memory in MB of one run of the command in its own process.

    Linux counts a process's peak from that of the process which started it: a small one
    starts it, as this one is larger than what it measures.
    """
    return peak_of(sys.executable, "-m", "deephits_keras", *words)


def peak_of(*words: object) -> float:
    """The same of any command."""
    small = [sys.executable, "-S", "-E", "-c", RUN_AND_TELL, *map(str, words)]
    done = subprocess.run(small, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words[:5]))} failed")
    return int(done.stdout) / 1024


def table(path: Path, tracks: int) -> Path:
    """A table of made-up tracks with lyrics of 250 words, as SpotGenTrack's is mostly lyrics."""
    draw = np.random.default_rng(0)
    words = np.array([f"word{n}" for n in range(5000)])
    lines = pd.DataFrame({"track_id": [f"t{n}" for n in range(tracks)]})
    lines["popularity"] = draw.integers(0, 101, tracks)
    for name in COLUMNS:
        lines[name] = draw.random(tracks)
    lines["lyrics"] = [" ".join(words[draw.integers(0, 5000, 250)]) for _ in range(tracks)]
    lines.to_csv(path, index=False)
    return path


def peaks(folder: Path, tracks: int) -> dict[str, float]:
    """Peak memory of the verbs by name."""
    songs, corpus, run = table(folder / "songs.csv", tracks), folder / "corpus", folder / "run"
    own = ("--modalities", "meta", "--numeric-columns", ",".join(COLUMNS))
    return {
        "import": peak("import", "table", songs, corpus),
        "extract": peak("extract", corpus, *own, "--jobs", 1),
        "train": peak("train", corpus, run, *own, "--task", "tiers-3", "--epochs", 1),
        "predict --table": peak("predict", run, "--table", songs, "--out", folder / "out.csv"),
    }


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        tenth, whole = peaks(Path(small), TRACKS // 10), peaks(Path(large), TRACKS)
        for verb, ours in whole.items():
            yield Comparison(
                f"peak memory of {verb}, {TRACKS:,} tracks",
                ours,
                "a tenth of the tracks",
                tenth[verb],
                "MB",
                (tenth[verb] / ours,),
                1 / 1.1,
            )
