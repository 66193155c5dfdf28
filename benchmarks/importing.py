"""Import of a large SpotGenTrack folder, beside pandas that reads and joins the same files."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.compare import Comparison
from benchmarks.memory import peak_of
from deephits_keras.sample import make_sample

TRACKS, SAMPLE = 100_000, 200
ROUNDS = 3
NAMES = {"tracks": ("id", "album_id"), "artists": ("id",), "albums": ("id",)}
"""Columns of ids in each of the files."""

WITH_PANDAS = """
import ast, sys
import pandas as pd
folder, out = sys.argv[1:]
tracks, artists, albums = (
    pd.read_csv(f"{folder}/spotify_{name}.csv") for name in ("tracks", "artists", "albums")
)
tracks["artist_id"] = tracks["artists_id"].map(lambda ids: (ast.literal_eval(ids) or [None])[0])
artists = artists[["id", "artist_popularity"]].rename(columns={"id": "artist_id"})
albums = albums[["id", "release_date"]].rename(columns={"id": "album_id"})
joined = tracks.merge(artists, on="artist_id", how="left").merge(albums, on="album_id", how="left")
joined.to_parquet(out)
"""


def enlarged(folder: Path) -> Path:
    """The tables of a sample, its rows repeated under other ids."""
    sample = folder / "sample"
    make_sample(sample, tracks=SAMPLE, seconds=1)
    source = sample / "Data Sources"
    for name, columns in NAMES.items():
        path = source / f"spotify_{name}.csv"
        rows = pd.read_csv(path, dtype=str)
        parts = []
        for number in range(TRACKS // SAMPLE):
            part = rows.copy()
            for column in columns:
                part[column] += f"x{number}"
            if name == "tracks":
                part["artists_id"] = (
                    part["artists_id"]
                    .str.replace("'", f"x{number}'")
                    .str.replace(f"[x{number}'", "['")
                    .str.replace(f", x{number}'", ", '")
                )
            parts.append(part)
        pd.concat(parts).to_csv(path, index=False)
    shutil.rmtree(sample / "previews")
    return sample


def run() -> Iterator[Comparison]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = enlarged(folder)
        corpus, joined = folder / "corpus", folder / "joined.parquet"
        ours = ("-m", "deephits_keras", "import", "spotgentrack", sample, corpus)
        theirs = ("-c", WITH_PANDAS, sample / "Data Sources", joined)
        times: list[list[float]] = []
        memory: list[list[float]] = []
        for _ in range(ROUNDS):
            shutil.rmtree(corpus, ignore_errors=True)
            times.append([])
            memory.append([])
            for words in (ours, theirs):
                began = time.perf_counter()
                memory[-1].append(peak_of(sys.executable, *words))
                times[-1].append(time.perf_counter() - began)
        mine, peer = (min(values) for values in zip(*times, strict=True))
        yield Comparison(
            f"import of SpotGenTrack's tables, {TRACKS:,} tracks",
            TRACKS / mine,
            "pandas reads and joins them",
            TRACKS / peer,
            "tracks/s",
            tuple(other / own for own, other in times),
            0.5,
        )
        mine, peer = (min(values) for values in zip(*memory, strict=True))
        yield Comparison(
            "peak memory of the same",
            mine,
            "pandas",
            peer,
            "MB",
            tuple(other / own for own, other in memory),
            10,
        )
