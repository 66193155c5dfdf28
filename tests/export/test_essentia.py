"""A recording scored by Essentia alone, from the file on, as `predict` scores it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from deephits_plugins.mel_cnn import MelCNN, MelCNNConfig

from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.exporter import export_run
from deephits_keras.export.manifest import Manifest
from deephits_keras.model.builder import build_model
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.config import EncoderRecord
from deephits_keras.tracks import Track

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "golden" / "run_of_0_1_0" / "run"
PYTHON = ROOT / ".venv-essentia" / "bin" / "python"
"""The environment of Essentia with TensorFlow 2.5, which `make` builds."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of a model with a spectrogram, a recurrent branch of words, and fields."""
    return export_run(RUN, tmp_path_factory.mktemp("essentia") / "bundle", kind="essentia")


def in_essentia(folder: Path, song: Path) -> subprocess.CompletedProcess[str]:
    """Score a recording in Essentia's environment."""
    # oneDNN, which we turn on for our own TensorFlow, ends TensorFlow 2.5 on some of AMD's CPUs.
    own = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    words = [PYTHON, ROOT / "examples" / "essentia" / "predict.py", folder, song]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=own)


def recordings(folder: Path) -> list[Path]:
    """Music-like recordings of several rates, channels, formats and lengths."""
    rng = np.random.default_rng(0)
    made = []
    for rate, channels, seconds, suffix in (
        (44100, 2, 4.0, "mp3"),
        (48000, 1, 3.0, "flac"),
        (22050, 1, 1.0, "wav"),
    ):
        time = np.arange(int(rate * seconds)) / rate
        tones = np.sum([np.sin(2 * np.pi * hz * time) / 3 for hz in (110, 277, 660)], axis=0)
        waves = 0.4 * tones[:, None] * (1 + np.sin(7 * time))[:, None] / 2
        waves = waves + 0.02 * rng.normal(size=(len(time), channels))
        soundfile.write(folder / f"song.{suffix}", waves, rate)
        made.append(folder / f"song.{suffix}")
    return made


def test_essentia_alone_scores_recordings_as_predict(bundle: Bundle, tmp_path: Path) -> None:
    # `.ci/run` builds it; the package has wheels for Python 3.11 only.
    needed = os.environ.get("CI") and sys.version_info[:2] == (3, 11)
    if not PYTHON.exists() and not needed:
        pytest.skip("make .venv-essentia/installed")
    songs = recordings(tmp_path)
    ours = Predictor(bundle).predict([Track(song.name, audio=song) for song in songs])
    for song, mine in zip(songs, ours, strict=True):
        done = in_essentia(bundle.folder, song)
        assert done.returncode == 0, done.stderr
        theirs = json.loads(done.stdout.splitlines()[-1])
        assert theirs["popularity"] == pytest.approx([mine.popularity], abs=0.1)
        assert theirs["scores"] == pytest.approx([*mine.scores.values()], abs=0.002)


def test_several_windows_are_computed_in_essentia_too(tmp_path: Path, bundle: Bundle) -> None:
    if not PYTHON.exists() and not (os.environ.get("CI") and sys.version_info[:2] == (3, 11)):
        pytest.skip("make .venv-essentia/installed")
    encoder = MelCNN(MelCNNConfig(frames=48, mel_bands=32, windows=3))
    encoder.mean, encoder.variance = -40.0, 400.0
    keras.utils.set_random_seed(0)
    model = build_model([encoder], task="tiers-3", fusion="early")
    described = Manifest.from_run(
        dataclasses.replace(
            bundle.config,
            modalities={"mel": EncoderRecord.from_encoder(encoder, learned_missing=False)},
        ),
        bundle.calibration,
        {"mel": encoder},
        kind="essentia",
        graph="model.pb",
        weights_licence="",
        unseen_columns={},
    )
    bundle.format.write(model, tmp_path, described)
    song = recordings(tmp_path)[0]
    features = encoder.extract(Track("song", audio=song))
    assert features is not None
    mel = features["log_mel"][None].astype("float32")
    wanted = model.predict_on_batch({"mel_log_mel": mel, "mel_present": np.ones((1, 1))})
    done = in_essentia(tmp_path, song)
    assert done.returncode == 0, done.stderr
    given = json.loads(done.stdout.splitlines()[-1])
    assert given["outputs"] == pytest.approx(wanted[0].tolist(), abs=0.01)
    # Each window matters.
    for window in range(3):
        other = mel.copy()
        other[:, window] = -40
        changed = model.predict_on_batch({"mel_log_mel": other, "mel_present": np.ones((1, 1))})
        assert np.abs(changed - wanted).max() > 0.01


def test_the_metadata_describe_the_graph(bundle: Bundle) -> None:
    import tensorflow as tf

    described = json.loads((bundle.folder / "model.json").read_text())
    graph = tf.compat.v1.GraphDef.FromString((bundle.folder / "model.pb").read_bytes())
    nodes = {node.name: node for node in graph.node}
    shapes = {
        name: ["batch_size", *(d.size for d in nodes[name].attr["shape"].shape.dim[1:])]
        for name in nodes
        if nodes[name].op == "Placeholder" and not name.startswith("unused_control_flow")
    }
    assert {each["name"]: each["shape"] for each in described["schema"]["inputs"]} == shapes
    assert shapes["mel_log_mel"] == ["batch_size", 1, 16, 64]
    assert {each["name"] for each in described["schema"]["outputs"]} <= set(nodes)
    assert described["classes"] == ["0-25", "25-65", "65-100"]


@pytest.mark.parametrize("change", [lambda m: m.pop("schema"), lambda m: m["schema"].clear()])
def test_metadata_that_lie_are_refused(change: Any, bundle: Bundle, tmp_path: Path) -> None:
    metadata = json.loads((bundle.folder / "model.json").read_text())
    change(metadata)
    (tmp_path / "model.json").write_text(json.dumps(metadata))
    (tmp_path / "model.pb").write_bytes((bundle.folder / "model.pb").read_bytes())
    with pytest.raises(UserError, match="its schema"):
        bundle.format.open(tmp_path, bundle.manifest.inputs, 3)
