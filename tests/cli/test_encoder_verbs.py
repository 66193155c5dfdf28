"""`deephits encoders`: list, check and new, with small distributions on the import path."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deephits_keras.encoders.registry import registry
from deephits_keras.testing import check_names

Deephits = Callable[..., Any]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a distribution's metadata for a class of `faulty_encoders` on the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()

    def add(name: str, target: str, metadata: str = "", source: str = "") -> None:
        info = tmp_path / f"acme_{name}-2.5.dist-info"
        info.mkdir()
        header = f"Metadata-Version: 2.4\nName: acme-{name}\nVersion: 2.5\n{metadata}"
        (info / "METADATA").write_text(header)
        (info / "entry_points.txt").write_text(f"[deephits_keras.encoders]\n{name} = {target}\n")
        if source:
            (info / "direct_url.json").write_text(json.dumps({"url": source}))

    yield add
    registry.cache_clear()


def listed(deephits: Deephits) -> dict[str, dict[str, Any]]:
    return {row["encoder"]: row for row in json.loads(deephits("encoders", "list", "--json").out)}


def test_every_encoder_is_listed_with_size_licence_and_state(deephits: Deephits) -> None:
    rows = listed(deephits)
    expected = {"mel_cnn": 64, "mel_crnn": 64, "bert_lyrics": 256, "lyrics_lstm": 128}
    expected |= {"numeric": 64, "essentia_descriptors": 64}
    assert {name: rows[name]["embedding_size"] for name in expected} == expected
    assert rows["mel_cnn"]["licence"] == "Apache-2.0"
    text = deephits("encoders", "list").out
    for word in ("mel_cnn (default)", "256", "Apache-2.0", "deephits-keras"):
        assert word in text


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", "MIT OR Apache-2.0"),
        ("License: BSD\n", "BSD"),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3\n", "GNU A"),
        ("", "not stated"),
    ],
)
def test_the_licence_is_what_the_distribution_states(
    metadata: str, licence: str, install, deephits: Deephits
) -> None:
    install("level", "faulty_encoders:Level", metadata)
    assert listed(deephits)["level"]["licence"].startswith(licence)


@pytest.mark.parametrize(
    ("target", "state"),
    [
        ("faulty_encoders:Absent", "can't be imported: AttributeError"),
        ("faulty_encoders:ContractVersion", "pip install --upgrade deephits-keras"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_listed_with_the_reason(
    target: str, state: str, install, deephits: Deephits
) -> None:
    install("level", target)
    rows = listed(deephits)
    assert state in rows["level"]["state"]
    assert rows["level"]["embedding_size"] is None
    assert rows["numeric"]["state"] == "ok"
    assert state in deephits("encoders", "list").out


def test_a_local_distribution_says_where_it_came_from(install) -> None:
    install("level", "faulty_encoders:Level", source="file:///home/me/level")
    assert registry().find("level").source == "file:///home/me/level"


def test_a_sound_encoder_is_checked_with_exit_code_0(install, deephits: Deephits) -> None:
    install("level", "faulty_encoders:Level")
    outcome = deephits("encoders", "check", "level", "--json", "--sound-units", "8")
    assert outcome.code == 0, outcome.out
    results = json.loads(outcome.out)["checks"]
    assert [result["check"] for result in results] == list(check_names())


def test_a_faulty_encoder_is_told_its_fault_with_exit_code_1(install, deephits: Deephits) -> None:
    install("level", "faulty_encoders:MissingIsNone")
    outcome = deephits("encoders", "check", "level")
    assert outcome.code == 1
    assert "missing_is_none failed: extract gave features for a track with no audio" in outcome.out


def test_checking_an_unknown_encoder_or_setting_is_the_users_mistake(deephits: Deephits) -> None:
    outcome = deephits("encoders", "check", "zither")
    assert outcome.code == 2
    assert "numeric" in outcome.err
    assert deephits("encoders", "check", "numeric", "--numeric-colour", "red").code == 2


def test_a_begun_encoder_is_a_whole_distribution(tmp_path: Path, deephits: Deephits) -> None:
    outcome = deephits(
        "encoders", "new", "bird_song", "--modality", "birds", "--out", tmp_path / "birds"
    )
    assert outcome.code == 0, outcome.err
    project = tomllib.loads((tmp_path / "birds" / "pyproject.toml").read_text())["project"]
    assert project["name"] == "deephits-bird-song"
    assert project["entry-points"]["deephits_keras.encoders"] == {
        "bird_song": "deephits_bird_song:BirdSong"
    }
    written = {str(p) for p in (tmp_path / "birds").rglob("*") if p.is_file()}
    assert written == set(outcome.out.split("\n\n")[0].split())
    for path in (tmp_path / "birds").rglob("*.py"):
        compile(path.read_text(), path, "exec")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Bird-Song"], "Received: 'Bird-Song'"),
        (["class"], "Received: 'class'"),
        (["song", "--modality", "a/../b"], "Received: 'a/../b'"),
        (["mel_cnn"], "deephits-keras 0.1.0 has an encoder named 'mel_cnn'"),
    ],
)
def test_new_refuses_names_that_cannot_be_an_encoders(
    words: list[str], message: str, tmp_path: Path, deephits: Deephits
) -> None:
    outcome = deephits("encoders", "new", *words, "--out", tmp_path / "new")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "new").exists()


def test_new_overwrites_nothing(tmp_path: Path, deephits: Deephits) -> None:
    (tmp_path / "README.md").write_text("mine")
    outcome = deephits("encoders", "new", "song", "--out", tmp_path)
    assert outcome.code == 2
    assert "is not empty" in outcome.err
    assert (tmp_path / "README.md").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_encoder_is_shown_with_what_it_reads(deephits) -> None:
    shown = deephits("encoders", "show", "lyrics_lstm")
    assert "\nreads text: lyrics\n" in shown.out
    fields = deephits("encoders", "show", "numeric").out.split("\n\n")[0]
    assert "reads field: acousticness, danceability" in fields
    assert all(len(line) <= 80 for line in fields.splitlines()[1:-1])
    read = json.loads(deephits("encoders", "show", "mel_cnn", "--json").out)["inputs"]
    assert read == [{"name": "audio", "kind": "file"}]
