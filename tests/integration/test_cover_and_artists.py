"""The second example distribution: a file and a set as inputs, through every verb."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deephits_keras.encoders.registry import registry

EXAMPLE = Path(__file__).parents[2] / "examples" / "cover_and_artists"
TRACKS = 30
WORDS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "-k")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager")]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example on the import path, registered as its pyproject.toml says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "deephits_cover_and_artists-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["deephits_keras.encoders"]
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[deephits_keras.encoders]", *lines, ""]))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(info.parent))
    registry.cache_clear()
    yield
    registry.cache_clear()


def make_table(folder: Path) -> pd.DataFrame:
    """Songs whose covers are red or blue and whose artists are of one of two circles."""
    rng = np.random.default_rng(0)
    (folder / "covers").mkdir()
    rows = []
    for number in range(TRACKS):
        red, circle = rng.integers(0, 2, 2)
        colour = (220, 30, 30) if red else (30, 30, 220)
        Image.new("RGB", (48, 48), colour).save(folder / f"covers/t{number:02}.png")
        artists = [f"{'xy'[circle]}{n}" for n in rng.choice(4, 2, replace=False)]
        rows.append((f"t{number:02}", 20 + 50 * red + 10 * circle, repr(artists)))
    with (folder / "edges.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            (f"{c}{i}", f"{c}{j}") for c in "xy" for i in range(4) for j in range(i)
        )
    table = pd.DataFrame(rows, columns=["track_id", "popularity", "artist_ids"])
    table.to_csv(folder / "songs.csv", index=False)
    return table


@pytest.mark.usefixtures("installed")
def test_a_file_and_a_set_go_through_every_verb(
    tmp_path: Path, deephits: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> str:
        done = deephits(*words)
        assert done.code == 0, done.err
        return str(done.out)

    table = make_table(tmp_path)
    imported = ("import", "table", "songs.csv", "corpus", "--input-dir", "cover=covers")
    assert json.loads(run(*imported, "--json"))["with_files"] == {"cover": TRACKS}
    wanted = ("--modalities", "cover,collaborations", "--artist-graph-edges", "edges.csv")
    extract = ("extract", "corpus", *wanted, "--jobs", "1", "--json")
    extracted = json.loads(run(*extract))
    assert [e["present"] for e in extracted] == [TRACKS, TRACKS]
    # Another column, and a cover exchanged for another: only its shard is extracted again.
    table.assign(mood=range(TRACKS)).to_csv("songs.csv", index=False)
    run(*imported)
    assert [e["extracted"] for e in json.loads(run(*extract))] == [0, 0]
    Path("covers/t01.png").replace("covers/t00.png")
    assert deephits("verify", "corpus").code == 1
    assert [e["extracted"] for e in json.loads(run(*extract))] == [TRACKS, 0]

    training = ("--task", "regression", "--epochs", "2", "--batch-size", "8", "--jobs", "1")
    run("train", "corpus", "run", *wanted, *training)

    # The relative path of the edges is found from another folder.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    song = ("--input", "cover=../covers/t00.png", "--set", "artist_ids=['x0', 'nobody']")
    scored = json.loads(run("predict", "../run", *song, "--json"))
    assert scored["missing"] == []
    assert scored["missing_parts"] == {"collaborations": ["nobody"]}
    assert scored["remarks"] == ["cover: the cover is of one colour: a placeholder?"]
    rows = run("predict", "../run", "--table", "../songs.csv", "--input-dir", "cover=../covers")
    assert len(rows.splitlines()) == TRACKS + 1

    explained = json.loads(run("explain", "../run", *song, "--json"))["modalities"]
    assert [part["name"] for part in explained["collaborations"]["parts"]] == ["x0"]
    assert len(explained["cover"]["parts"]) == 16
    total = sum(each["contribution"] for each in explained.values())
    assert np.isfinite(total)
    importance = json.loads(run("explain", "../run", "--repeats", "2", "--json"))
    assert set(importance["fields"]["collaborations"]) == {"artists"}

    (tmp_path / "edges.csv").rename(tmp_path / "moved.csv")
    gone = deephits("predict", "../run", *song)
    assert gone.code == 2
    assert f"names {tmp_path}/edges.csv, which isn't there" in gone.err
    moved = run("predict", "../run", *song, "--artist-graph-edges", "../moved.csv", "--json")
    assert json.loads(moved) == scored


def test_its_own_tests_pass() -> None:
    done = subprocess.run(
        # Another backend's start takes longer than all else: the shipped encoders' checks try it.
        [
            sys.executable,
            *["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "-k"],
            "not other_backends",
        ],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
