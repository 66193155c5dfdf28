"""Every command and every Python block of README and docs runs as it stands there.

Only the numbers of tracks, epochs and seeds are made smaller, and the previews of a sample shorter.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from essentia_models import write_models

from deephits_keras.sample import make_sample

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
TESTED_ELSEWHERE = {
    "examples/calibration.py",
    "examples/real_table.py",
    "examples/real_music.py",
}
"""Scripts with a test of their own in tests/integration."""

SECONDS = 10
SMALLER = {"--tracks": "28", "--epochs": "2", "--seeds": "1"}
TO_LEARN_FROM = {"docs/essentia.md": "72"}
"""Tracks that a page needs because it learns from fifty with a recording."""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "".join(blocks(page, "console")).splitlines()
    words = [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
    sizes = SMALLER | ({"--tracks": TO_LEARN_FROM[page]} if page in TO_LEARN_FROM else {})
    return [smaller(command, sizes) for command in words]


def smaller(command: list[str], sizes: dict[str, str]) -> list[str]:
    pairs = zip(["", *command], command, strict=False)
    shorter = ["--seconds", str(SECONDS)] if command[1] == "sample" else []
    return [sizes.get(before, word) for before, word in pairs] + shorter


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of: a table, recordings, lyrics, a BERT, Essentia's models."""
    folder = tmp_path_factory.mktemp("materials")
    make_sample(folder / "sample", 42, seed=2, seconds=SECONDS)
    tracks = pd.read_csv(folder / "sample" / "Data Sources" / "spotify_tracks.csv", index_col=0)
    previews = {path.stem: path for path in (folder / "sample" / "previews").glob("*.mp3")}
    songs = tracks[tracks["id"].isin(list(previews))].reset_index(drop=True)
    songs = songs.rename(columns={"popularity": "track_popularity", "artists_id": "artist_name"})
    spoiled = songs.head(1).assign(id="spoiled", track_popularity=140)
    pd.concat([songs, songs.head(1), spoiled]).to_csv(folder / "songs.csv", index=False)
    songs.head(3).drop(columns="track_popularity").rename(columns={"id": "track_id"}).to_csv(
        folder / "new-songs.csv", index=False
    )
    (folder / "recordings").mkdir()
    for track in songs["id"]:
        shutil.copy(previews[track], folder / "recordings")
    shutil.copy(previews[songs["id"][0]], folder / "song.mp3")
    (folder / "lyrics.txt").write_text("la la la, night and day", encoding="utf-8")
    write_untrained_bert(folder / "my-bert", songs["lyrics"].dropna().tolist())
    write_models(folder / "essentia-models")
    shutil.rmtree(folder / "sample")
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs(
    page: str,
    materials: Path,
    deephits: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(materials)
    for program, *words in commands(page):
        if program == "python":
            assert words[0] in TESTED_ELSEWHERE
            continue
        assert program == "deephits"
        outcome = deephits(*words)
        assert outcome.code == 0, f"deephits {shlex.join(words)}\n{outcome.err}"


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_runs(page: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {})  # noqa: S102


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text())
    assert named
    assert set(named) <= targets


def test_the_songs_are_recordings(materials: Path) -> None:
    samples, rate = soundfile.read(materials / "song.mp3")
    assert len(samples) > 0.9 * SECONDS * rate
    assert np.abs(samples).max() > 0.01
