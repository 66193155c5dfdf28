"""Extraction, graph and node vectors of `collaborations` for 100,000 songs, and for a tenth."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.compare import Comparison
from benchmarks.memory import RUN_AND_TELL

SONGS, ARTISTS, YEARS = 100_000, 40_000, (1950, 2020)
SECONDS_AT_MOST = 300

MEASURED = """
import sys, time
from pathlib import Path
from deephits_keras.corpus import Corpus
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.pipeline.batches import training_features
from deephits_plugins.collaborations import Collaborations, CollaborationsConfig
corpus, encoder = Corpus.open(Path(sys.argv[1])), Collaborations(CollaborationsConfig(vectors=16))
began = time.perf_counter()
extract_features(corpus, encoder, jobs=1)
extracted = time.perf_counter()
rows = range(len(corpus))
store = FeatureStore.open(corpus, encoder)
encoder.adapt(training_features(store, rows, popularity=corpus.popularity))
Path(sys.argv[2]).write_text(f"{extracted - began} {time.perf_counter() - extracted}")
"""


def table(path: Path, songs: int) -> Path:
    """Songs of one to three artists, of whom few have many, mostly of the last decades."""
    draw = np.random.default_rng(0)
    counts = draw.choice([1, 2, 3], songs, p=[0.65, 0.25, 0.1])
    artists = ARTISTS * songs // SONGS
    names = [
        [f"a{int(artists * place)}" for place in draw.power(0.45, count)]
        for count in counts.tolist()
    ]
    first, last = YEARS
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(songs)],
            "popularity": draw.integers(0, 101, songs),
            "artist_ids": [str(each) for each in names],
            "release_year": (first + (last - first) * draw.power(2.5, songs)).astype(int),
        }
    ).to_csv(path, index=False)
    return path


def measured(folder: Path, songs: int) -> tuple[float, float, float]:
    """Seconds of the extraction and of the graph in one process, and its peak memory in MB."""
    from deephits_keras.corpus import import_table

    import_table(table(folder / "songs.csv", songs), folder / "corpus")
    code = [sys.executable, "-c", MEASURED, str(folder / "corpus"), str(folder / "seconds")]
    small = [sys.executable, "-S", "-E", "-c", RUN_AND_TELL, *code]
    done = subprocess.run(small, stdout=subprocess.PIPE, check=True)
    extraction, graph = map(float, (folder / "seconds").read_text().split())
    return extraction, graph, int(done.stdout) / 1024


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        tenth, whole = measured(Path(small), SONGS // 10), measured(Path(large), SONGS)
    for what, ours, theirs in zip(("extraction", "graph"), whole, tenth, strict=False):
        work = f"collaborations, {what} of {SONGS:,} songs"
        ratio = (SECONDS_AT_MOST / ours,)
        yield Comparison(work, ours, "a tenth of the songs", theirs, "s", ratio, 1.0)
    work = f"peak memory of collaborations, {SONGS:,} songs"
    ratio = (tenth[2] / whole[2],)
    yield Comparison(work, whole[2], "a tenth of the songs", tenth[2], "MB", ratio, None)
