"""The conformance suite: what ships passes it, and each check finds the fault that it is for."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import faulty_encoders
import heavy_encoder
import numpy as np
import pytest
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.bert_tuned import BertTuned
from deephits_plugins.essentia_descriptors import EssentiaDescriptors
from deephits_plugins.lyrics_lstm import LyricsLSTM, LyricsLSTMConfig
from deephits_plugins.mel_cnn import MelCNN, MelCNNConfig
from deephits_plugins.mel_crnn import MelCRNN, MelCRNNConfig
from deephits_plugins.numeric import Numeric
from deephits_plugins.signals import Signals

from deephits_keras.testing import (
    CheckError,
    check_encoder,
    check_names,
    explaining,
    optional,
    parametrize_with_checks,
    run_checks,
    sample_tracks,
)
from deephits_keras.tracks import Track


def small_bert() -> BertLyrics:
    folder = Path(tempfile.mkdtemp(prefix="deephits-bert-"))
    tracks = sample_tracks(folder)
    given = BertLyrics.prepare_sample(folder / "bert", tracks)
    return BertLyrics.from_config({n: str(v) for n, v in given.items()})


def small_tuned() -> BertTuned:
    checkpoint = small_bert().config.checkpoint
    return BertTuned.from_config({"checkpoint": checkpoint, "max_tokens": 16, "rank": 2})


def small_signals() -> Signals:
    folder = Path(tempfile.mkdtemp(prefix="deephits-signals-"))
    given = Signals.prepare_sample(folder, Signals.example_tracks(folder))
    return Signals.from_config({name: str(value) for name, value in given.items()})


@parametrize_with_checks(
    [
        MelCNN(MelCNNConfig(frames=64)),
        MelCRNN(MelCRNNConfig(frames=192)),
        Numeric(),
        small_bert,
        small_tuned,
        LyricsLSTM(LyricsLSTMConfig(max_words=24)),
        EssentiaDescriptors(),
        small_signals,
    ]
)
def test_what_ships_keeps_the_contract(encoder, check) -> None:
    check(encoder)


def faulty(check: str) -> type:
    name = "".join(word.capitalize() for word in check.split("_"))
    return getattr(heavy_encoder if check == "imports_nothing_heavy" else faulty_encoders, name)


CONCERN_OTHER_BACKENDS = ("config_round_trip", "saves_and_loads", "other_backends")
"""Faults that could show on another backend too; starting one takes seconds for each encoder."""


TESTED_ALONE = tuple(
    check.__name__.removeprefix("check_") for check in (*optional.CHECKS, *explaining.CHECKS)
)
"""In test_optional.py, of a class that says all that it may."""


@pytest.mark.parametrize("check", [name for name in check_names() if name not in TESTED_ALONE])
def test_each_check_finds_its_fault_and_no_other_check_does(check: str) -> None:
    if check == "other_backends" and not importlib.util.find_spec("jax"):
        pytest.skip("only one backend is installed")
    others = () if check in CONCERN_OTHER_BACKENDS else ("other_backends",)
    leave_out = (*TESTED_ALONE, *others)
    results = {r.check: r for r in run_checks(faulty(check)(), leave_out=leave_out)}
    failed = {name: r.message for name, r in results.items() if r.status == "failed"}
    assert list(failed) == [check], failed
    assert len(failed[check]) > 40


def test_a_sound_encoder_passes_and_a_faulty_one_is_told_all_its_faults_at_once() -> None:
    results = check_encoder(faulty_encoders.Level())
    assert [result.check for result in results] == list(check_names())
    assert {r.check for r in results if r.status == "skipped"} <= {
        "other_backends",
        "inputs_are_all_that_is_read",
    }
    with pytest.raises(CheckError, match=r"Documented fails 1 of \d+ checks:\n- documented: "):
        check_encoder(faulty_encoders.Documented())


def test_tracks_of_ones_own_are_used_instead_of_the_samples(tmp_path: Path) -> None:
    deaf = [Track("a", lyrics="la"), Track("b", lyrics="le")]
    with pytest.raises(CheckError, match="gave features for 0 of 2 tracks"):
        check_encoder(faulty_encoders.Level(), tracks=deaf)
    good = sample_tracks(tmp_path)
    with pytest.raises(CheckError, match="gave features for the bad track sample-0"):
        check_encoder(faulty_encoders.Level(), tracks=good, bad_tracks=good[:1])


def test_the_sample_tracks_are_different_recordings_and_the_same_every_time(tmp_path: Path) -> None:
    import soundfile

    first, again = sample_tracks(tmp_path / "a"), sample_tracks(tmp_path / "b")
    waves = [soundfile.read(track.audio)[0] for track in first]
    assert all(len(wave) == 4 * 22_050 and 0.01 < np.abs(wave).max() < 1 for wave in waves)
    assert not np.allclose(waves[0], waves[1])
    assert [t.audio.read_bytes() for t in first] == [t.audio.read_bytes() for t in again]
    assert len({track.lyrics for track in first}) == len(first) == 3


@pytest.mark.nightly
def test_the_checks_pass_with_jax_as_the_backend() -> None:
    if not importlib.util.find_spec("jax"):
        pytest.skip("JAX isn't installed")
    code = (
        "from deephits_keras.testing import run_checks; "
        "from deephits_plugins.numeric import Numeric; import keras; "
        "results = run_checks(Numeric(), leave_out=('other_backends',)); "
        "assert not [r for r in results if r.status == 'failed'], results; "
        "print(keras.backend.backend())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "jax", done.stderr


def test_importing_the_suite_imports_neither_pytest_nor_keras() -> None:
    code = (
        "import sys, deephits_keras.testing as t; t.sample_tracks; t.CheckError; "
        "print({'pytest', 'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_pytest_shows_a_failure_as_the_check_and_its_message_alone(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "from faulty_encoders import Documented\n"
        "from deephits_keras.testing import parametrize_with_checks\n"
        "@parametrize_with_checks([Documented()])\n"
        "def test_mine(encoder, check):\n"
        "    check(encoder)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "test_mine and (names and not parts or documented)",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "helpers"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert re.search(r"1 failed, 1 passed", done.stdout), done.stdout
    assert "test_mine[level-documented]" in done.stdout
    assert "documented: summary must be one line" in done.stdout
    assert "suite.py" not in done.stdout
