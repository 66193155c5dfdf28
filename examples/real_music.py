"""The main job on real recordings: a game's free-licensed soundtrack from Debian.

    python examples/real_music.py /tmp/real-music

Fetches the package with `apt-get download` (nothing is installed), unpacks it with `dpkg-deb`,
makes a table whose popularity is MADE UP (drawn at random), and runs import, extract, train and
predict on it. What it shows is that the way from real OGG files to a prediction works; the
prediction itself means nothing. Further options, such as `--mel-frames 128`, are given to `extract`
and `train`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import soundfile

SECONDS = 30


def fetch_music(package: str, folder: Path) -> list[Path]:
    """Download and unpack a Debian package; give its recordings of at least thirty seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.deb")):
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive.name, "unpacked"], cwd=folder, check=True)
    recordings = sorted((folder / "unpacked").rglob("*.ogg"))
    return [path for path in recordings if soundfile.info(path).duration >= SECONDS]


def write_table(recordings: list[Path], table: Path, seed: int = 0) -> None:
    """Write a corpus table with a made-up popularity, and say so in it."""
    draw = random.Random(seed)  # noqa: S311
    rows = [
        {
            "track_id": path.stem,
            "title": path.stem.replace("-", " "),
            "audio": path.name,
            "popularity": draw.randint(0, 100),
            "note": "popularity is made up",
        }
        for path in recordings
    ]
    pd.DataFrame(rows).to_csv(table, index=False)


def deephits(*words: object) -> None:
    """Run one verb of the command line and show it."""
    line = [str(word) for word in words]
    print("$ deephits", *line, flush=True)
    subprocess.run([sys.executable, "-m", "deephits_keras", *line], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--package", default="hyperrogue-music")
    arguments, settings = parser.parse_known_args()
    folder: Path = arguments.folder
    recordings = fetch_music(arguments.package, folder / "package")
    print(f"{len(recordings)} recordings from {arguments.package}; their popularity is MADE UP.")
    table = folder / "tracks.csv"
    write_table(recordings, table)
    corpus, run = folder / "corpus", folder / "run"
    deephits("import", "table", table, corpus, "--audio", recordings[0].parent)
    deephits("extract", corpus, "--modalities", "mel", *settings)
    deephits(
        *("train", corpus, run, "--modalities", "mel", "--task", "tiers-3", "--epochs", 2),
        *("--batch-size", 4, "--max-learning-rate", 0.01, *settings),
    )
    deephits("predict", run, recordings[0])


if __name__ == "__main__":
    main()
