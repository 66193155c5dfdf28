"""Every command and every Python block of README and docs runs as it stands there.

Only the numbers of tracks, epochs, seeds and frames are made smaller, and the previews of a sample
shorter.
Commands that need more than a page can bring (a cluster, a dataset) are at least commands: their
verbs and options are there.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
import soundfile
from essentia_models import write_models
from graphs import without_graphs

from deephits_keras import ModalityEncoder
from deephits_keras.cli import cli
from deephits_keras.encoders.registry import registry
from deephits_keras.sample import make_sample

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
TESTED_ELSEWHERE = {
    "examples/calibration.py",
    "examples/real_table.py",
    "examples/real_music.py",
}
"""Scripts with a test of their own in tests/integration."""

SECONDS, TRACKS = 6, 72
"""Of every page's sample: docs/essentia.md learns from fifty recordings."""

SAMPLES = {"README.md": "raw", "docs/python.md": "walk/raw"}
"""Where a page's Python makes its sample."""

BY_GRAPHS = ("docs/explain.md", "docs/export.md", "docs/guide.md", "docs/serve.md")
"""Pages whose commands run a model hundreds of times, or write its graph."""

FRAMES = 192
"""Of spectrograms, at most: the smallest number that suits every encoder of them."""

SMALLER = {
    "--tracks": str(TRACKS),
    "--epochs": "1",
    "--seeds": "1",
    "--trials": "2",
    "--mel-frames": str(FRAMES),
    "--lyrics-max-words": "32",
}
SMALLER_IN_PYTHON = {"tracks": TRACKS, "seconds": SECONDS, "epochs": 1, "seeds": 1, "repeats": 2}


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "".join(blocks(page, "console")).splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def tables(page: str) -> dict[str, str]:
    """Small tables that a page shows, by the name of the file."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return dict(re.findall(r'^```csv title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL))


def files(page: str) -> dict[str, str]:
    """Small files that a page shows, by name."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r'^```text title="([^"]+)"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return tables(page) | dict(found)


def outputs(page: str) -> list[str]:
    """What a page shows below each of its commands."""
    return re.split(r"^\$ .*\n", "".join(blocks(page, "console")), flags=re.MULTILINE)[1:]


def smaller(command: list[str]) -> list[str]:
    pairs = zip(["", *command], command, strict=False)
    shorter = {"sample": ["--seconds", str(SECONDS)], "train": ["--epochs", "1"]}
    added = [] if "--epochs" in command else shorter.get(command[0], [])
    return [SMALLER.get(before, word) for before, word in pairs] + added


def shown(page: str) -> list[list[str]]:
    """Commands that a page shows anywhere, those that aren't run too, without what is left open."""
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.compile(r"^```\w*[^\n]*\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
    lines = [
        line.removeprefix("$ ") for block in fenced.findall(text) for line in block.splitlines()
    ]
    lines += re.findall(r"`(deephits [^`]+)`", fenced.sub("", text))
    words = [shlex.split(each, comments=True) for each in lines if each.startswith("deephits ")]
    return [[word for word in found[1:] if word not in ("...", "…", "|")] for found in words]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample for every page that makes one: theirs is the same, and is found complete."""
    folder = tmp_path_factory.mktemp("sample") / "raw"
    make_sample(folder, TRACKS, seconds=SECONDS)
    settings = folder / "encoder-settings.json"
    small = {"mel_cnn": {"frames": FRAMES}}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | small))
    return folder


def lend(sample: Path, folder: Path) -> None:
    shutil.copytree(sample, folder, copy_function=os.link)


@pytest.fixture(scope="module")
def materials(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of: a table, recordings, lyrics, Essentia's models."""
    folder = tmp_path_factory.mktemp("materials")
    lend(sample / "previews", folder / "recordings")
    songs = pd.read_csv(sample / "songs.csv")
    songs = songs[songs["track_id"].isin([path.stem for path in (sample / "previews").iterdir()])]
    songs = songs.head(41)
    spoiled = songs.head(1).assign(track_id="spoiled", track_popularity=140)
    pd.concat([songs, songs.head(1), spoiled]).to_csv(folder / "songs.csv", index=False)
    shutil.copy(folder / "recordings" / f"{songs['track_id'].iloc[0]}.mp3", folder / "song.mp3")
    (folder / "lyrics.txt").write_text("la la la, night and day", encoding="utf-8")
    write_models(folder / "essentia-models")
    return folder


@contextlib.contextmanager
def server(words: list[str]) -> Iterator[str]:
    """A server in a process of its own, when it answers: the line that it prints."""
    command = [sys.executable, "-m", "deephits_keras", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


NIGHTLY = ("docs/essentia.md", "docs/explain.md", "docs/peers.md", "docs/time.md")
"""Half a minute or more each, with what tests/plugins/test_essentia_fit.py, tests/explanation,
tests/comparison and tests/training have, too."""


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=[pytest.mark.nightly] if p in NIGHTLY else []) for p in PAGES]
)
def test_every_command_runs(
    page: str,
    sample: Path,
    materials: Path,
    deephits: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(materials)
    running = contextlib.ExitStack()
    request.addfinalizer(running.close)
    if page not in BY_GRAPHS:
        running.enter_context(without_graphs())
    for name, content in files(page).items():
        (materials / name).write_text(content, encoding="utf-8")
    for (program, *words), output in zip(commands(page), outputs(page), strict=True):
        if program == "python":
            assert words[0] in TESTED_ELSEWHERE
            continue
        if program == "curl":
            subprocess.run([program, "--fail", *words], check=True, capture_output=True)
            continue
        if words[0] == "serve":
            assert running.enter_context(server(words)) == output.strip()
            continue
        assert program == "deephits"
        if "npm" in words and not (shutil.which("npm") or os.environ.get("CI")):
            continue
        if words[0] == "sample" and not Path(words[1]).exists():
            lend(sample, Path(words[1]))
        less = smaller(words)
        outcome = deephits(*less)
        assert outcome.code == 0, f"deephits {shlex.join(less)}\n{outcome.err}"
        if tables(page):
            assert outcome.out == output


def test_what_the_readme_prints_is_what_the_command_prints(
    deephits: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of commands whose answer depends on nothing that the tests make smaller."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for part in "".join(blocks("README.md", "console")).split("$ deephits ")[1:]:
        command, *printed = part.splitlines()
        words = shlex.split(command)
        if words[0] not in ("encoders", "build"):
            continue
        real = iter([line.rstrip() for line in deephits(*words).out.splitlines()])
        # Taken off one by one, so that the order counts; "..." stands for any number of lines.
        assert [line for line in printed if line != "..." and line.rstrip() not in real] == []


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_every_command_that_is_shown_is_one(page: str) -> None:
    owners = [(o, c) for c in registry().load_working().values() for o in (c.name, c.modality)]
    known = {f"--{o}-{s}" for o, c in owners for s in c.Config.__dataclass_fields__}
    settings = ((o, f) for o, c in owners for f in c.Config.__dataclass_fields__.values())
    known |= {f"--{owner}" for owner, field in settings if field.metadata.get("main")}
    known = {option.replace("_", "-") for option in known} | {"--help", "--version"}
    for words in shown(page):
        command: click.Command = cli
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(click.Context(command), rest.pop(0))
            assert found is not None, words
            command = found
        own = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= known | own, words


# Those of docs/add-an-encoder.md are in tests/integration/test_add_an_encoder.py.
@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/add-an-encoder.md"])
def test_every_python_block_runs(
    page: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shared: dict[str, Any] = {}
    for block in blocks(page, "python"):
        if "make_sample" in block:
            lend(request.getfixturevalue("sample"), tmp_path / SAMPLES[page])
        for name, size in SMALLER_IN_PYTHON.items():
            block = re.sub(rf"\b{name}=\d+", f"{name}={size}", block)
        exec(compile(block, page, "exec"), shared)  # noqa: S102


def test_the_notebook_is_the_page() -> None:
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "docs" / "notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wanted = module.cells((ROOT / "docs" / "python.md").read_text(encoding="utf-8"))
    book = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))
    told = "docs/python.md has changed: run `make notebook`"
    assert [c["source"] for c in book["cells"]] == [c["source"] for c in wanted], told
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [o for cell in code for o in cell["outputs"] if o["output_type"] == "error"]
    links = re.findall(r"\]\((?!https?:)([^)#]+)", "".join(c["source"] for c in book["cells"]))
    assert all((ROOT / "examples" / link).exists() for link in links), links


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)
        assert named
        assert set(named) <= targets


def test_the_songs_are_recordings(materials: Path) -> None:
    samples, rate = soundfile.read(materials / "song.mp3")
    assert len(samples) > 0.9 * SECONDS * rate
    assert np.abs(samples).max() > 0.01


def test_the_page_on_encoders_names_whatever_one_may_override() -> None:
    page = (ROOT / "docs/add-an-encoder.md").read_text(encoding="utf-8")
    not_overridden = {"from_config", "get_config", "fingerprint", "needs_popularity"}
    members = {name for name in vars(ModalityEncoder) if not name.startswith("_")}
    assert [n for n in sorted(members - not_overridden) if not re.search(rf"\b{n}\b", page)] == []
