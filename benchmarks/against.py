"""This build beside an older one, by the same commands in turn: `--against COMMIT [TASK ...]`."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.builds import Build, Cost, build_of, present_alone
from benchmarks.compare import Comparison
from benchmarks.songs import write_songs
from deephits_keras.sample import make_sample

ROUNDS = 2
SONGS, TRACKS, ROWS, REPRODUCED, PREVIEWS = 41, 12_000, 1_000_000, 20_000, 1000
"""Whole songs per format; tracks of a training; rows of a table; tracks of `reproduce`; previews
of a table of recordings."""

Setup = Callable[[Build, Path], None]
Command = Callable[[Build, Path], Cost]


def compared(
    work: str,
    builds: tuple[Build, Build],
    folder: Path,
    command: Command,
    *,
    amount: float = 1,
    unit: str = "runs/s",
    target: float | None,
    clock: bool = False,
    start: Command | None = None,
) -> Iterator[Comparison]:
    """Run a command of both builds in turn.

    Args:
        work: What it does.
        builds: This build and the other.
        folder: Folder with a folder per build.
        command: Runs it.
        amount: Amount of work.
        unit: Unit of the rate.
        target: Lowest acceptable ratio.
        clock: Whether to take the time of the clock instead of the CPU's, for several processes.
        start: Runs the same on nearly nothing, whose cost is subtracted.
    """
    times: list[list[float]] = []
    for number in range(ROUNDS):
        found = {}
        for build in builds if number % 2 == 0 else builds[::-1]:
            cost = command(build, folder / build.name)
            idle = start(build, folder / build.name) if start else Cost(0, 0)
            found[build.name] = cost.wall - idle.wall if clock else cost.cpu - idle.cpu
        times.append([found[build.name] for build in builds])
    mine, theirs = (statistics.median(values) for values in zip(*times, strict=True))
    yield Comparison(
        f"{work} ({'clock' if clock else 'CPU'})",
        amount / mine,
        builds[1].name,
        amount / theirs,
        unit,
        tuple(other / own for own, other in times),
        target,
    )


def write_fields(path: Path, rows: int) -> Path:
    """A table of songs with the paper's fields."""
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n:07}" for n in range(rows)]})
    table["title"] = [f"Song {n}" for n in range(rows)]
    table["artist_name"] = [f"Artist {n % 5000}" for n in range(rows)]
    for name in ("popularity", "artist_popularity"):
        table[name] = draw.integers(0, 100, rows)
    table["release_year"] = draw.integers(1960, 2024, rows)
    for name in ("acousticness", "danceability", "energy", "instrumentalness", "liveness"):
        table[name] = draw.uniform(0, 1, rows).round(4)
    for name in ("speechiness", "valence"):
        table[name] = draw.uniform(0, 1, rows).round(4)
    table["loudness"] = draw.uniform(-30, 0, rows).round(3)
    table["tempo"] = draw.uniform(60, 200, rows).round(3)
    table["duration_ms"] = draw.integers(60_000, 400_000, rows)
    table["key"], table["mode"] = draw.integers(-1, 12, rows), draw.integers(0, 2, rows)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


def paper(build: Build) -> tuple[str, ...]:
    """Options with which a build trains the paper's model: older ones have no other."""
    return ("--recipe", "paper") if build.name == "present" else ()


class Tasks:
    """The tasks, each of which yields its comparisons.

    Args:
        builds: This build and the other.
        folder: An empty folder.
    """

    def __init__(self, builds: tuple[Build, Build], folder: Path) -> None:
        self.builds, self.folder = builds, folder
        for build in builds:
            (folder / build.name).mkdir()

    def _each(self, setup: Setup) -> None:
        for build in self.builds:
            setup(build, self.folder / build.name)

    def songs(self) -> Iterator[Comparison]:
        """Four-minute recordings to stored log-mels, in one process."""
        for format in ("MP3", "FLAC"):
            source = self.folder / format
            source.mkdir()
            paths = write_songs(source, format)
            for name, count in (("few", 1), ("many", SONGS)):
                rows = [f"{name}{n},{n},{paths[n % len(paths)].name}" for n in range(count)]
                table = source / f"{name}.csv"
                table.write_text("\n".join(["track_id,popularity,audio", *rows]) + "\n")

            def extract(build: Build, own: Path, name: str, source: Path = source) -> Cost:
                corpus = own / f"{source.name}-{name}"
                table = source / f"{name}.csv"
                build.deephits("import", "table", table, corpus, "--audio", source)
                for shard in corpus.glob("features/*/*/part-*"):
                    shard.unlink()
                return build.deephits("extract", corpus, "--modalities", "mel", "--jobs", 1)

            yield from compared(
                f"four minutes of {format} -> stored log-mel, one process",
                self.builds,
                self.folder,
                lambda build, own: extract(build, own, "many"),
                start=lambda build, own: extract(build, own, "few"),
                amount=SONGS - 1,
                unit="tracks/s",
                target=5.0,
            )

    def table(self) -> Iterator[Comparison]:
        """A large table of fields."""
        self._train()
        big = write_fields(self.folder / "fields.csv", ROWS)
        yield from compared(
            f"predict --table of {ROWS:,} rows of fields",
            self.builds,
            self.folder,
            lambda build, own: build.deephits(
                "predict", own / "run", "--table", big, "--out", own / "out.csv"
            ),
            amount=ROWS,
            unit="rows/s",
            target=10.0,
        )

    def recordings(self) -> Iterator[Comparison]:
        """A table of MP3s, two processes against one."""
        raw = self.folder / "raw"
        make_sample(raw, tracks=100, seconds=30)
        previews = sorted((raw / "previews").glob("*.mp3"))
        rows = [f"t{n},{n % 100},{previews[n % len(previews)].name}" for n in range(PREVIEWS)]
        table = self.folder / "mp3.csv"
        table.write_text("\n".join(["track_id,popularity,audio", *rows]) + "\n")
        few = self.folder / "few.csv"
        few.write_text("\n".join(["track_id,popularity,audio", *rows[:60]]) + "\n")

        def train(build: Build, own: Path) -> None:
            build.deephits("import", "table", few, own / "mel", "--audio", raw / "previews")
            options = ("--modalities", "mel", "--epochs", 1, *paper(build))
            build.deephits("train", own / "mel", own / "mel-run", *options)

        self._each(train)
        jobs = {"present": ("--jobs", 2)}
        starts = {"present": ("--input-dir", f"audio={raw / 'previews'}")}
        yield from compared(
            f"predict --table of {PREVIEWS:,} previews, two processes",
            self.builds,
            self.folder,
            lambda build, own: build.deephits(
                "predict",
                own / "mel-run",
                "--table",
                table,
                *starts.get(build.name, ("--audio-dir", raw / "previews")),
                *jobs.get(build.name, ()),
                "--out",
                own / "mel.csv",
            ),
            amount=PREVIEWS,
            unit="tracks/s",
            target=1.9,
            clock=True,
        )

    def starts(self) -> Iterator[Comparison]:
        """What verbs cost from a cold start."""
        self._train()

        def train(build: Build, own: Path) -> Cost:
            # A run's folder can't be trained into again.
            place = tempfile.mkdtemp(dir=own)
            options = ("--modalities", "meta", "--epochs", 25, *paper(build))
            return build.deephits("train", own / "corpus", Path(place, "run"), *options)

        commands: dict[str, tuple[float | None, Command]] = {
            "train on fields, 12,000 songs, 25 epochs": (2.0, train),
            "predict of one song": (
                None,
                lambda build, own: build.deephits("predict", own / "run", "--set", "tempo=120"),
            ),
            "evaluate": (None, lambda build, own: build.deephits("evaluate", own / "run")),
            "explain --set": (
                None,
                lambda build, own: build.deephits("explain", own / "run", "--set", "tempo=120"),
            ),
            "extract with nothing to do": (
                None,
                lambda build, own: build.deephits(
                    "extract", own / "corpus", "--modalities", "meta=numeric"
                ),
            ),
        }
        for work, (target, command) in commands.items():
            yield from compared(work, self.builds, self.folder, command, target=target)

    def reproduce(self) -> Iterator[Comparison]:
        """The shallow baselines of three tables, with two processes."""
        songs = write_fields(self.folder / "reproduce.csv", REPRODUCED)
        self._each(lambda build, own: _import(build, songs, own / "shallow"))
        tables = (part for name in ("6", "A4", "A9") for part in ("--table", name))
        words = ("--modalities", "meta=numeric", *tables)

        def compute(build: Build, own: Path) -> Cost:
            place = tempfile.mkdtemp(dir=own)
            return build.deephits("reproduce", own / "shallow", Path(place, "out"), *words)

        yield from compared(
            f"reproduce --table 6 --table A4 --table A9, {REPRODUCED:,} tracks",
            self.builds,
            self.folder,
            compute,
            target=2.0,
            clock=True,
        )

    def _train(self) -> None:
        small = self.folder / "songs.csv"
        if small.exists():
            return
        write_fields(small, TRACKS)

        def train(build: Build, own: Path) -> None:
            build.deephits("import", "table", small, own / "corpus")
            options = ("--modalities", "meta", "--epochs", 2, *paper(build))
            build.deephits("train", own / "corpus", own / "run", *options)

        self._each(train)


def _import(build: Build, table: Path, corpus: Path) -> None:
    build.deephits("import", "table", table, corpus)


TASKS = ("songs", "recordings", "table", "starts", "reproduce")


def run(commit: str, names: list[str]) -> Iterator[Comparison]:
    """Measure this build beside a commit's.

    Args:
        commit: The commit.
        names: Names in `TASKS`; all if empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        tasks = Tasks((present_alone(), build_of(commit)), Path(folder))
        for name in names or TASKS:
            yield from getattr(tasks, name)()
