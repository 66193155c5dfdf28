"""musicnn: equal to its authors' graph, finite on loud songs, explained, exported; it learns."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from deephits_plugins.musicnn import Musicnn
from deephits_plugins.musicnn.network import whole
from deephits_plugins.musicnn.patches import HOP, N_FFT, RATE, SAMPLES, patch_of
from deephits_plugins.musicnn.portable import listener
from deephits_plugins.musicnn.shapes import POOLED, TAGS
from deephits_plugins.musicnn.tags import NAMES
from deephits_plugins.musicnn.weights import (
    PUBLISHED,
    folder_of,
    identity,
    read_weights,
    write_untrained,
)

from deephits_keras.errors import UserError
from deephits_keras.runs.config import EncoderRecord
from deephits_keras.testing import run_checks
from deephits_keras.testing.subject import branch_of
from deephits_keras.tracks import Track

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("musicnn") is None,
    reason="needs the weights in musicnn (pip install --no-deps)",
)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    write_untrained(folder)
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Track:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    rng = np.random.default_rng(0)
    time = np.arange(8 * 22_050) / 22_050
    notes = 220 * 2 ** (rng.integers(0, 24, 33)[(time * 4).astype(int)] / 12)
    tone = 0.3 * np.sign(np.sin(2 * np.pi * np.cumsum(notes) / 22_050))
    soundfile.write(path, tone + 0.01 * rng.standard_normal(len(time)), 22_050)
    return Track("song", audio=path)


# === The network ===


@needs_weights
@pytest.mark.parametrize("model", ["msd", "mtt"])
def test_it_equals_its_authors_graph(model: str) -> None:
    import tensorflow as tf

    folder = folder_of(model, None)
    assert folder is not None
    powers = np.random.default_rng(0).gamma(0.3, size=(3, 187, 96)) ** 2
    patches = np.log10(10_000 * powers + 1).astype(np.float32)
    meta = tf.compat.v1.MetaGraphDef.FromString((folder / ".meta").read_bytes())
    for node in meta.graph_def.node:
        node.attr.pop("_output_shapes", None)
    with tf.Graph().as_default():
        saver = tf.compat.v1.train.import_meta_graph(meta)
        given = {"model/Placeholder:0": patches, "model/Placeholder_2:0": False}
        with tf.compat.v1.Session() as session:
            saver.restore(session, f"{folder}/")
            tags, mean = session.run(["model/Sigmoid:0", "model/moments/mean:0"], given)
    ours = whole(read_weights(model, None), dtype="float32").predict_on_batch({"patches": patches})
    np.testing.assert_allclose(ours[:, :TAGS], tags, atol=1e-5, rtol=0)
    np.testing.assert_allclose(ours[:, TAGS:], mean.reshape(3, POOLED), atol=1e-5, rtol=1e-5)


@needs_weights
def test_the_names_of_tags_are_the_packages() -> None:
    folder = folder_of("msd", None)
    assert folder is not None
    spec = importlib.util.spec_from_file_location("x", folder.with_name("configuration.py"))
    assert spec is not None
    assert spec.loader is not None
    configuration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(configuration)
    for model in NAMES:
        published = getattr(configuration, f"{model.upper()}_LABELS")
        assert NAMES[model] == tuple(tag.lower() for tag in published)


@needs_weights
def test_the_installed_weights_are_the_published_ones() -> None:
    for model, known in PUBLISHED.items():
        assert identity(model, None) == known
    named = Musicnn.from_config({"weights": str(folder_of("msd", None).parent)})
    assert named.fingerprint() == Musicnn().fingerprint()
    assert "ISC" in EncoderRecord.from_encoder(named, learned_missing=False).weights


# === Patches ===


def test_a_patch_is_that_part_of_the_whole_spectrogram(song: Track) -> None:
    waveform, _ = librosa.load(song.audio, sr=RATE)
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=96
    )
    start = 100
    first = start * HOP - N_FFT // 2
    expected = np.log10(10_000 * mel.T[start : start + 187] + 1)
    found = patch_of(waveform[first : first + SAMPLES])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_loud_songs_are_finite_and_differ(tmp_path: Path, untrained: Path) -> None:
    """Their own code gives every loud song the same tags: float16 overflows since NumPy 2."""
    rng = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    sounds = {
        "noise": rng.uniform(-1, 1, len(time)),
        "tone": np.sign(np.sin(2 * np.pi * 220 * time)),
    }
    encoder = Musicnn.from_config({"weights": str(untrained), "windows": 1})
    heard = []
    for name, samples in sounds.items():
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, RATE)
        patch = patch_of(samples[:SAMPLES].astype(np.float32))
        # Their powers times 10,000 are above the largest float16.
        assert np.isfinite(patch).all()
        assert patch.max() > np.log10(65_504)
        heard.append(encoder.extract(Track(name, audio=path))["tags"])
    assert np.abs(heard[0] - heard[1]).max() > 0.01


def test_a_short_recording_is_repeated() -> None:
    short = np.random.default_rng(0).normal(size=HOP * 100).astype(np.float32)
    patch = patch_of(short)
    assert patch.shape == (187, 96)
    np.testing.assert_allclose(patch[:80], patch[100:180], atol=1e-3)


# === The encoder ===


def test_it_keeps_the_contract(untrained: Path) -> None:
    settings = {"weights": str(untrained), "output": "pooled", "windows": 1}
    results = run_checks(Musicnn.from_config(settings), leave_out=("other_backends",))
    faults = [f"{r.check}: {r.message}" for r in results if r.status == "failed"]
    assert not faults


def test_trained_and_frozen_hear_the_same_at_first(song: Track, untrained: Path) -> None:
    settings = {"weights": str(untrained), "output": "pooled", "windows": 2, "units": 0}
    frozen = Musicnn.from_config(settings).extract(song)
    trained = Musicnn.from_config({**settings, "frozen": False})
    trained.adapt(())
    branch = branch_of(trained)
    patches = {name: array[None].astype("float32") for name, array in trained.extract(song).items()}
    before = keras.Model(branch.input, branch.get_layer("windows_average").output)
    heard = keras.ops.convert_to_numpy(before(patches))[0]
    # Patches are stored as float16.
    np.testing.assert_allclose(heard[:TAGS], frozen["tags"], atol=2e-3)
    np.testing.assert_allclose(heard[TAGS:], frozen["pooled"], atol=2e-2)
    assert branch.trainable_variables
    keras.utils.clear_session()


def test_other_weights_than_the_published_ones_are_told(song: Track, untrained: Path) -> None:
    encoder = Musicnn.from_config({"weights": str(untrained)})
    features = {"tags": np.linspace(0, 1, TAGS)}
    assert encoder.remarks(song, features) == ("the weights are not those that musicnn published",)
    assert not encoder.weights_used
    assert encoder.fingerprint() != Musicnn().fingerprint()
    published = Musicnn()
    if folder_of("msd", None) is not None:
        (said,) = published.remarks(song, features)
        assert said == "sounds like happy 1.00, house 0.98, sad 0.96"


def test_damaged_weights_are_named(untrained: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pip install --no-deps musicnn"):
        Musicnn.from_config({"weights": str(tmp_path)}).fingerprint()
    (tmp_path / ".data-00000-of-00001").write_bytes(b"\0" * 64)
    (tmp_path / ".index").write_bytes(b"\0" * 64)
    with pytest.raises(UserError, match="can't be read"):
        read_weights("msd", str(tmp_path))
    (tmp_path / ".data-00000-of-00001").unlink()
    shutil.copy(untrained / "musicnn.safetensors", tmp_path)
    read_weights("msd", str(tmp_path))
    (tmp_path / "musicnn.safetensors").write_bytes(b"\0" * 64)
    with pytest.raises(UserError, match="safetensors"):
        read_weights("msd", str(tmp_path))


# === A model ===


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of noise are hits, recordings of tones are not."""
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir()
    rows = []
    for number in range(36):
        hit = number % 2 == 0
        time = np.arange(int(3.1 * RATE)) / RATE
        tone = np.sin(2 * np.pi * rng.uniform(200, 900) * time)
        samples = rng.normal(0, 0.2, len(time)) if hit else 0.3 * tone
        soundfile.write(folder / "audio" / f"t{number}.wav", samples, RATE)
        rows.append({"track_id": f"t{number}", "popularity": 80 if hit else 10})
    pd.DataFrame(rows).to_csv(folder / "songs.csv", index=False)
    return folder


def test_it_learns_is_explained_and_is_exported(
    corpus_folder: Path, untrained: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    corpus, run, bundle = (corpus_folder / name for name in ("corpus", "run", "bundle"))
    weights = ("--musicnn-weights", untrained, "--musicnn-windows", 1)
    for words in (
        ("import", "table", corpus_folder / "songs.csv", corpus, "--input-dir",
         f"audio={corpus_folder / 'audio'}"),
        ("train", corpus, run, "--modalities", "mel=musicnn", *weights, "--task", "regression",
         "--split", "random", "--epochs", 20, "--batch-size", 8),
        ("export", run, bundle),
    ):  # fmt: skip
        done = deephits(*words)
        assert done.code == 0, done.err
    predicted = pd.read_parquet(run / "predictions.parquet")
    correlation = np.corrcoef(predicted["popularity"], predicted["predicted_popularity"])[0, 1]
    assert correlation > 0.9
    recording = corpus_folder / "audio" / "t0.wav"
    answers = [deephits("predict", model, recording, "--json").out for model in (run, bundle)]
    ours, theirs = (json.loads(answer) for answer in answers)
    # Untrained tags hardly vary: scaled, their rounding is that of a thousandth of the scores.
    assert theirs["popularity"] == pytest.approx(ours["popularity"], abs=0.5)
    assert theirs["remarks"] == ours["remarks"]
    patches = np.random.default_rng(0).uniform(0, 4, (2, 187, 96)).astype(np.float32)
    exported = str(bundle / "encoders" / "mel")
    keras_heard, onnx_heard = (listener("msd", str(w))(patches) for w in (untrained, exported))
    np.testing.assert_allclose(onnx_heard, keras_heard, atol=1e-5, rtol=1e-5)
    assert identity("msd", exported) == identity("msd", str(untrained))
    done = deephits("explain", run, recording, "--out", tmp_path)
    assert done.code == 0, done.err
    (page,) = tmp_path.glob("*.html")
    assert "electronic" in page.read_text(encoding="utf-8")
