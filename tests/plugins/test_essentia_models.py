"""Essentia's own models beside its measurements: graphs with known answers, on real audio."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
import tensorflow as tf
from deephits_plugins.essentia_descriptors import EssentiaDescriptors
from deephits_plugins.essentia_descriptors.fit import fit_mapping
from deephits_plugins.essentia_descriptors.graphs import FrozenGraph
from deephits_plugins.essentia_descriptors.mapping import default_mapping
from deephits_plugins.essentia_descriptors.measure import STATISTICS
from deephits_plugins.essentia_descriptors.models import (
    MODEL_STATISTICS,
    find_models,
    input_patches,
)
from essentia_models import (
    CLASSES,
    HIGH,
    LOGITS,
    LOW,
    classifier,
    description,
    placeholder,
    write_graph,
    write_models,
)

from deephits_keras.corpus import Corpus
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.tracks import Track

RATE = 16_000
Array = np.ndarray[Any, Any]


def chords(seconds: float, rate: int = RATE) -> Array:
    """Chords that grow louder, with a click on each half second and a little noise."""
    times = np.arange(int(seconds * rate)) / rate
    notes = [220.0, 277.2, 329.6, 440.0, 1318.5, 2637.0]
    tone = sum(np.sin(2 * np.pi * note * times) for note in notes)
    clicks = np.exp(-(times % 0.5) / 0.01) * np.sin(2 * np.pi * 3000 * times)
    noise = np.random.default_rng(0).standard_normal(len(times))
    growing = 10 ** ((times / seconds - 1) * 3)
    return (growing * (0.1 * tone + 0.3 * clicks) + 0.002 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("essentia") / "models")


@pytest.fixture
def own(models: Path, tmp_path: Path) -> Path:
    """The models, to be spoilt."""
    return Path(shutil.copytree(models, tmp_path / "models"))


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, chords(6), RATE)
    return path


def configured(folder: Path | None, **settings: Any) -> EssentiaDescriptors:
    models = None if folder is None else str(folder)
    return EssentiaDescriptors.from_config({"models": models, **settings})


def described(encoder: EssentiaDescriptors, path: Path) -> dict[str, float]:
    track = Track("song", audio=path)
    features = encoder.extract(track)
    assert features is not None
    return encoder.describe(track, features)


def mean_bands(path: Path) -> Array:
    """Each patch's mean of each band, by librosa as in MusiCNN's own code (Pons and Serra 2019).

    Only the window is Essentia's: symmetric, where librosa's is periodic.
    """
    waveform, _ = librosa.load(path, sr=RATE)
    window = scipy.signal.windows.hann(512, sym=True)
    of = {"sr": RATE, "n_fft": 512, "hop_length": 256, "n_mels": 96, "window": window}
    frames = np.log10(10000 * librosa.feature.melspectrogram(y=waveform, **of).T + 1)
    starts = range(0, len(frames) - 187 + 1, 93)
    return np.stack([frames[start : start + 187].mean(axis=0) for start in starts])


# An FFT in float32 is good to about 1e-7 of its strongest value, 50 here: 5e-6 of an amplitude, and
# twice 0.01 times that of the power of a weak band. Times 10,000 that is 1e-3 under the logarithm.
ROUNDING = 1e-3


def test_the_models_input_is_that_of_musicnn(song: Path) -> None:
    patches = input_patches(song)
    # 96,000 samples are 376 frames; patches of 187 begin at each 93rd.
    assert patches.shape == (3, 187, 96)
    np.testing.assert_array_equal(patches[0, 93:], patches[1, :-93])
    np.testing.assert_allclose(patches.mean(axis=1), mean_bands(song), atol=ROUNDING)


def test_each_descriptor_is_what_its_model_says(models: Path, song: Path) -> None:
    values = described(configured(models), song)
    low, high = (mean_bands(song)[:, half].mean(axis=1) for half in (LOW, HIGH))
    for name, head in [
        ("danceability", "danceability-msd-musicnn-1"),
        ("acousticness", "mood_acoustic-msd-musicnn-1"),
        ("instrumentalness", "voice_instrumental-msd-musicnn-1"),
    ]:
        factor, summand = LOGITS[head]
        scores = 1 / (1 + np.exp(-(factor * low + summand)))
        # The logistic function's slope is at most 1/4.
        slack = ROUNDING * abs(factor) / 4
        assert values[name] == pytest.approx(scores.mean(), abs=slack), name
        # A score of the mean vector would be another one.
        assert abs(1 / (1 + np.exp(-(factor * low.mean() + summand))) - scores.mean()) > slack
    # The regressions say 1 + low and 1 + 2 high, on a scale from 1 to 9.
    assert values["valence"] == pytest.approx(low.mean() / 8, abs=ROUNDING / 8)
    assert values["energy"] == pytest.approx(2 * high.mean() / 8, abs=2 * ROUNDING / 8)
    plain = described(configured(None), song)
    for name in ("loudness", "tempo", "key", "mode", "duration_ms"):
        assert values[name] == plain[name], name


def test_a_class_is_found_by_its_name(own: Path, song: Path) -> None:
    before = described(configured(own), song)["danceability"]
    path = own / "danceability-msd-musicnn-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["not", "danceable"]}))
    assert described(configured(own), song)["danceability"] == pytest.approx(1 - before, abs=1e-6)


def test_what_is_not_there_keeps_the_default_and_remarks_name_the_source(
    tmp_path: Path, song: Path
) -> None:
    folder = write_models(tmp_path / "two", "danceability-msd-musicnn-1", "emomusic-msd-musicnn-2")
    encoder, track = configured(folder), Track("song", audio=song)
    features = encoder.extract(track)
    assert features is not None
    values, plain = encoder.describe(track, features), described(configured(None), song)
    same = {name for name in values if values[name] == plain[name]}
    assert set(values) - same == {"danceability", "energy", "valence"}
    assert encoder.remarks(track, features) == (
        "uncalibrated, see `deephits essentia fit`: "
        "acousticness, instrumentalness, loudness, tempo",
        "uncalibrated, by Essentia's models: danceability (danceability-msd-musicnn-1), "
        "energy (emomusic-msd-musicnn-2), valence (emomusic-msd-musicnn-2)",
    )
    # DEAM counts before emoMusic where both are.
    both = configured(write_models(folder, "deam-msd-musicnn-2")).mapping.by_model
    assert both["valence"] == both["energy"] == "deam-msd-musicnn-2"


def test_less_than_a_patch_has_no_answer_of_a_model(models: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", chords(2.5), RATE)
    encoder, track = configured(models), Track("short", audio=tmp_path / "short.wav")
    features = encoder.extract(track)
    assert features is not None
    told = {"acousticness", "danceability", "energy", "instrumentalness", "valence"}
    assert set(encoder.missing_parts(track, features)) == told


def test_without_the_setting_tensorflow_is_not_imported(song: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deephits_keras.tracks import Track\n"
        "from deephits_plugins.essentia_descriptors import EssentiaDescriptors\n"
        "track, encoder = Track('t', audio=Path(sys.argv[1])), EssentiaDescriptors()\n"
        "encoder.describe(track, encoder.extract(track)), encoder.fingerprint()\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, song], check=True)


# === The fingerprint ===


def test_the_fingerprint_follows_the_models_content_and_not_their_place(
    models: Path, own: Path
) -> None:
    here = configured(models).fingerprint()
    assert here == configured(own).fingerprint() != configured(None).fingerprint()
    (own / "README.txt").write_text("no part of any model")
    assert here == configured(own).fingerprint()
    graph = own / "deam-msd-musicnn-2.pb"
    write_graph(graph, classifier("danceability-msd-musicnn-1"))
    changed = configured(own).fingerprint()
    assert changed != here
    graph.unlink()
    graph.with_suffix(".json").unlink()
    assert configured(own).fingerprint() not in (here, changed)


def test_replaced_models_are_loaded_again(own: Path, song: Path) -> None:
    before = described(configured(own), song)
    assert abs(before["danceability"] - before["acousticness"]) > 0.01
    write_graph(own / "danceability-msd-musicnn-1.pb", classifier("mood_acoustic-msd-musicnn-1"))
    after = described(configured(own), song)
    assert after["danceability"] == after["acousticness"] == before["acousticness"]


# === What isn't a folder of Essentia's models ===


def edited(model: str, **changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / f"{model}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def schema_with(model: str, side: str, **changes: Any) -> Callable[[Path], None]:
    schema = description(model)["schema"]
    schema[side] = [{**node, **changes} for node in schema[side]]
    return edited(model, schema=schema)


def removed(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


HEAD, NET = "danceability-msd-musicnn-1", "msd-musicnn-1"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (shutil.rmtree, r"There is no folder .*Download"),
        (removed(f"{NET}.pb", f"{NET}.json"), rf"has no {NET}.*https://essentia.upf.edu"),
        (removed(*(f"{h}.{s}" for h in CLASSES for s in ("pb", "json"))), "no model that uses it"),
        (removed(f"{HEAD}.json"), rf"lacks {HEAD}\.json"),
        (removed(f"{NET}.pb"), rf"lacks {NET}\.pb"),
        (written(f"{HEAD}.json", b"{"), "can't be read"),
        (written(f"{HEAD}.json", b"[]"), "doesn't describe"),
        (edited(HEAD, schema={"inputs": 3}), "doesn't describe"),
        (edited(HEAD, schema={"inputs": ["a"], "outputs": []}), "doesn't describe"),
        (edited(HEAD, classes=["a", "b"]), "must name the class danceable"),
        (edited(HEAD, classes=None), "must name the class danceable"),
        (edited(HEAD, classes=["danceable", "b", "c"]), "no output for predictions of 3 values"),
        (schema_with(HEAD, "inputs", shape=[1280]), r"no input of shape \[200\]"),
        (schema_with(NET, "outputs", output_purpose=""), "no output for embeddings"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_before_anything_is_measured(
    own: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(own)
    with pytest.raises(UserError, match=reason):
        configured(own).mapping  # noqa: B018


def head_with(extra: Callable[[Any], Any]) -> Callable[[], None]:
    """A head that does something else as well."""

    def build() -> None:
        classifier(HEAD)()
        extra(tf.compat.v1.get_default_graph().get_tensor_by_name("model/Softmax:0"))

    return build


def run_a_function(scores: Any) -> None:
    tf.function(lambda x: x + 1)(scores)


def three_scores() -> None:
    dense = tf.matmul(placeholder(None, 200), np.zeros((200, 3), np.float32))
    tf.nn.softmax(dense, name="model/Softmax")


def too_wide() -> None:
    dense = tf.pad(placeholder(None, 200), [[0, 0], [0, 2**30]])
    tf.nn.softmax(dense[:, :2], name="model/Softmax")


def too_narrow() -> None:
    tf.nn.softmax(placeholder(None, 100)[:, :2], name="model/Softmax")


def of_nothing() -> None:
    placeholder(None, 200)
    tf.constant(np.zeros((1, 2), np.float32), name="model/Softmax")


def claimed_constant() -> bytes:
    """Eight bytes that say they are a tensor of a million million zeros."""
    definition = tf.compat.v1.GraphDef()
    node = definition.node.add(name="model/Softmax", op="Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    tensor = node.attr["value"].tensor
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.float_val.append(0.0)
    for _ in range(2):
        tensor.tensor_shape.dim.add(size=10**6)
    return bytes(definition.SerializeToString())


GRAPH = f"{HEAD}.pb"


def graph_of(build: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda folder: write_graph(folder / GRAPH, build)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (written(GRAPH, b"no graph at all"), "damaged"),
        (lambda f: (f / GRAPH).write_bytes((f / GRAPH).read_bytes()[:-100]), "damaged"),
        (written(GRAPH, b""), "can't be used"),
        (graph_of(head_with(lambda _: tf.io.read_file("/etc/passwd"))), "needs no ReadFile"),
        (graph_of(head_with(lambda _: tf.io.write_file("x", "y"))), "needs no WriteFile"),
        (graph_of(head_with(lambda x: tf.numpy_function(abs, [x], tf.float32))), "no PyFunc"),
        (graph_of(head_with(run_a_function)), "needs no"),
        (graph_of(head_with(lambda x: tf.Variable(0.0))), "needs no .*VarHandleOp"),
        (graph_of(three_scores), r"Softmax is \(None, 3\), not \(None, 2\)"),
        (graph_of(too_wide), "impossible size"),
        (graph_of(too_narrow), r"Placeholder is \(None, 100\)"),
        (graph_of(of_nothing), r"gives \(1, 2\) for 3 inputs"),
        (written(GRAPH, claimed_constant()), "impossible size"),
        (schema_with(HEAD, "inputs", name="model/Input"), "can't be used"),
        (schema_with(HEAD, "inputs", name="model/Softmax"), "not an input"),
        (schema_with(HEAD, "outputs", name="model/Sigmoid"), "can't be used"),
    ],
)
def test_a_graph_that_does_not_fit_or_could_do_harm_is_not_run(
    own: Path, song: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(own)
    with pytest.raises(UserError, match=reason) as refused:
        configured(own).extract(Track("t", audio=song))
    assert GRAPH in str(refused.value)


def test_a_graph_placed_elsewhere_runs_here(own: Path, song: Path) -> None:
    before = described(configured(own), song)["danceability"]

    def build() -> None:
        with tf.compat.v1.device("/job:far/task:3/device:GPU:7"):
            classifier(HEAD)()

    write_graph(own / GRAPH, build)
    assert described(configured(own), song)["danceability"] == before


def test_musicnns_own_architecture_is_accepted(tmp_path: Path) -> None:
    """The nodes of the real msd-musicnn-1, read in the graph that essentia.js ships, made small."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Array:
        return rng.normal(0, 0.1, shape).astype(np.float32)

    def normalised(x: Any) -> Any:
        size = x.shape[-1]
        scale, shift = np.ones(size, np.float32), weights(size)
        spread = np.abs(weights(size)) + 1
        fused = tf.compat.v1.nn.fused_batch_norm
        return fused(x, scale, shift, weights(size), spread, is_training=False)[0]

    def convolved(x: Any, height: int, width: int, padding: str) -> Any:
        kernel = weights(height, width, x.shape[-1], 4)
        convolution = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, padding), weights(4))
        return normalised(tf.nn.relu(convolution))

    def pooled(x: Any) -> Any:
        pool = [1, 1, x.shape[2], 1]
        return tf.squeeze(tf.nn.max_pool2d(x, pool, pool, "VALID"), [2])

    def build() -> None:
        tf.compat.v1.placeholder(tf.bool, name="model/Placeholder_1")
        x = normalised(tf.expand_dims(placeholder(None, 187, 96), 3))
        border = [[0, 0], [3, 3], [0, 0], [0, 0]]
        timbre = [pooled(convolved(tf.pad(x, border), 7, width, "VALID")) for width in (38, 67)]
        time = [pooled(convolved(x, height, 1, "SAME")) for height in (128, 64, 32)]
        front = tf.expand_dims(tf.concat([*timbre, *time], 2), 3)
        middle = convolved(tf.pad(front, border), 7, front.shape[2], "VALID")
        middle = tf.transpose(middle, [0, 1, 3, 2])
        again = convolved(tf.pad(middle, border), 7, 4, "VALID")
        deep = tf.concat([front, middle, middle + tf.transpose(again, [0, 1, 3, 2])], 2)
        mean, _ = tf.nn.moments(deep, [1])
        flat = tf.concat([tf.reduce_max(deep, 1), mean], 2)
        flat = tf.reshape(flat, tf.stack([tf.shape(flat)[0], flat.shape[1] * 2]))
        size = flat.shape[-1]
        flat = tf.nn.batch_normalization(flat, weights(size), weights(size) ** 2, 0.1, 1.0, 1e-3)
        dense = tf.matmul(flat, weights(size, 200))
        tf.nn.bias_add(dense, weights(200), name="model/dense/BiasAdd")

    folder = write_models(tmp_path / "models")
    write_graph(folder / f"{NET}.pb", build)
    graph = FrozenGraph(find_models(folder).embedding)
    patches = rng.normal(size=(3, 187, 96)).astype(np.float32)
    vectors = graph(patches)
    assert vectors.shape == (3, 200)
    assert np.isfinite(vectors).all()
    assert np.ptp(vectors, axis=0).max() > 0
    np.testing.assert_allclose(graph(patches[1:2])[0], vectors[1], rtol=1e-4, atol=1e-5)


# === Beside a calibration ===


def drawn(tracks: int) -> Array:
    """Statistics with those of DEAM and the danceability; the other models aren't there."""
    names = (*STATISTICS, *MODEL_STATISTICS)
    values = np.random.default_rng(0).normal(3, 1, (tracks, len(names)))
    values[:, len(STATISTICS) :] = np.nan
    for name in MODELS:
        values[:, names.index(name)] = np.random.default_rng(1).uniform(1, 9, tracks)
    return values.astype(np.float32)


MODELS = ("danceability-msd-musicnn-1.danceable", "deam-msd-musicnn-2.arousal")


def test_fit_learns_from_what_the_models_say(tmp_path: Path, models: Path) -> None:
    statistics = drawn(300)
    arousal = statistics[:, len(STATISTICS) + MODEL_STATISTICS.index(MODELS[1])]
    noise = np.random.default_rng(2).normal(0, 0.05, 300)
    energy = np.clip(0.2 + 0.07 * arousal + noise, 0, 1)
    fit = fit_mapping(statistics, {"energy": energy}, np.arange(300), default_mapping(MODELS))
    (found,) = fit.descriptors
    assert (found.outcome, found.tracks) == ("learnt", 300)
    # The plain statistics tell nothing of it; the noise is 0.05 of a deviation of 0.17.
    assert found.r2 > 0.5
    fit.mapping.save(tmp_path / "calibration.json")
    path = str(tmp_path / "calibration.json")

    with_models = configured(models, calibration=path).mapping
    np.testing.assert_array_equal(with_models.rules["energy"].weights, fit.mapping.weights[:, 3])
    assert "energy" not in with_models.by_model
    assert with_models.by_model["danceability"] == "danceability-msd-musicnn-1"
    with pytest.raises(UserError, match=r"energy needs .*deam.*--essentia-models FOLDER"):
        configured(None, calibration=path).mapping  # noqa: B018


def test_a_calibration_without_models_holds_with_them(tmp_path: Path, models: Path) -> None:
    statistics = np.random.default_rng(0).normal(3, 1, (300, len(STATISTICS))).astype(np.float32)
    energy = np.clip(0.1 + 0.15 * statistics[:, 5].astype(np.float64), 0, 1)
    fit = fit_mapping(statistics, {"energy": energy}, np.arange(300))
    fit.mapping.save(tmp_path / "calibration.json")
    mapping = configured(models, calibration=str(tmp_path / "calibration.json")).mapping
    assert "energy" not in mapping.uncalibrated
    both = np.concatenate([statistics, np.ones((300, len(MODEL_STATISTICS)))], axis=1)
    ours, theirs = mapping.apply(both), fit.mapping.apply(statistics)
    place = mapping.descriptors.index("energy")
    np.testing.assert_allclose(ours[:, place], theirs[:, place], rtol=1e-12)


# === The command ===


@pytest.fixture
def corpus(tmp_path: Path, deephits: Callable[..., Any]) -> Path:
    (tmp_path / "audio").mkdir()
    lines = ["track_id,popularity,danceability,tempo"]
    for number in range(8):
        sound = chords(4) * (number + 1) / 8
        soundfile.write(tmp_path / "audio" / f"t{number}.wav", sound, RATE)
        lines.append(f"t{number},{10 * number},0.{number},{100 + number}")
    (tmp_path / "tracks.csv").write_text("\n".join(lines))
    words = ("import", "table", tmp_path / "tracks.csv", tmp_path / "corpus")
    assert deephits(*words, "--audio", tmp_path / "audio").code == 0
    return tmp_path / "corpus"


def test_workers_train_and_predict_with_the_models(
    corpus: Path, models: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    encoder, opened = configured(models), Corpus.open(corpus)
    assert extract_features(opened, encoder, jobs=2, shard_size=4).present == 8
    stored = FeatureStore.open(opened, encoder).gather(np.arange(8))[0]["statistics"]
    here = encoder.extract(Track("t5", audio=tmp_path / "audio" / "t5.wav"))
    assert here is not None
    # Sums of float32 in another order, as TensorFlow's threads make them.
    np.testing.assert_allclose(stored[5], here["statistics"], rtol=1e-5)
    assert np.isfinite(stored[:, len(STATISTICS) :]).all()

    words = ("--modalities", "essentia", "--essentia-models", models, "--epochs", "1")
    train = ("train", corpus, tmp_path / "run", *words, "--batch-size", "4")
    assert deephits(*train, "--no-xla", "--task", "tiers-3").code == 0
    song = tmp_path / "audio" / "t2.wav"
    answer = json.loads(deephits("predict", tmp_path / "run", song, "--json").out)
    assert "danceability (danceability-msd-musicnn-1)" in answer["remarks"][1]

    shutil.move(models, tmp_path / "moved")
    try:
        gone = deephits("predict", tmp_path / "run", song)
        assert gone.code == 2
        assert f"essentia_descriptors names {models}, which isn't there" in gone.err
        assert "--essentia-descriptors-models PATH" in gone.err
        moved = ("--essentia-models", tmp_path / "moved", "--json")
        again = json.loads(deephits("predict", tmp_path / "run", song, *moved).out)
        assert again == answer
    finally:
        shutil.move(tmp_path / "moved", models)


def test_a_harmful_graph_stops_the_command(
    corpus: Path, own: Path, deephits: Callable[..., Any]
) -> None:
    write_graph(own / GRAPH, head_with(lambda _: tf.io.read_file("/etc/passwd")))
    words = ("--modalities", "essentia", "--essentia-models", own, "--jobs", "2")
    outcome = deephits("extract", corpus, *words)
    assert outcome.code == 2
    assert "ReadFile" in outcome.err
    assert "Traceback" not in outcome.err
    outcome = deephits("essentia", "fit", corpus, "--essentia-models", own)
    assert (outcome.code, "ReadFile" in outcome.err) == (2, True)
