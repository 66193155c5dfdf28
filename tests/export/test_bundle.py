"""`deephits export`, and its bundle: what predict and verify make of it without Keras."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from deephits_plugins.mel_cnn import MelCNN

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.exporter import export_run
from deephits_keras.export.files import CHECKSUMS, EXAMPLES, MANIFEST
from deephits_keras.export.manifest import output_of
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import get_task
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train
from deephits_keras.utils.files import sha256

Deephits = Callable[..., Any]
SONG = ("--set", "tempo=120", "--set", "artist_popularity=70")

FIVE = output_of(get_task("tiers-5"))

HEAR = """
import json, pathlib, sys
from deephits_keras.tracks import Track
from deephits_plugins.mel_cnn import MelCNN
mel = MelCNN().extract(Track("song", audio=pathlib.Path(sys.argv[1])))["log_mel"]
print(json.dumps([*mel.shape, float(mel.mean())]))
"""
"""The spectrogram of a recording."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(60)]})
    table["popularity"] = table["artist_popularity"] = rng.uniform(0, 100, 60).round()
    table["tempo"] = rng.normal(120, 9, 60)
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    corpus = Corpus.open(folder / "corpus")
    encoders = corpus_encoders(corpus, "meta")
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    training = TrainingConfig(epochs=2, batch_size=16, max_learning_rate=0.01, coverage=0.9)
    split = make_split("random", corpus, validation=0.4)
    made = new_run(
        folder / "run", corpus, encoders, split, task="tiers-3", training=training, command="secret"
    )
    train(made, corpus)
    return folder / "run"


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    return export_run(Run(run), run.parent / "bundle", weights_licence="CC BY 4.0").folder


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def test_a_bundle_predicts_as_its_run_without_keras(
    run: Path, exported: Path, without_keras: Callable[..., Any]
) -> None:
    done = without_keras("-m", "deephits_keras", "predict", exported, *SONG, "--json")
    assert done.returncode == 0, done.stderr
    track = Track("track", fields={"tempo": 120.0, "artist_popularity": 70.0})
    (ours,) = Predictor(Run(run)).predict([track])
    said = json.loads(done.stdout)
    assert said["scores"] == pytest.approx(ours.scores, abs=1e-5)
    assert said["popularity"] == pytest.approx(ours.popularity, abs=1e-3)
    assert tuple(said["tier_set"]) == ours.tier_set
    assert said["coverage"] == 0.9
    assert said["missing_parts"]["meta"] == list(ours.missing_parts["meta"])


def test_without_keras_sounds_are_read_and_other_verbs_say_what_they_need(
    run: Path, without_keras: Callable[..., Any], tmp_path: Path
) -> None:
    song = tmp_path / "song.ogg"
    soundfile.write(song, np.random.default_rng(0).normal(0, 0.1, 31 * 22050), 22050)
    heard = without_keras("-c", HEAR, song)
    assert heard.returncode == 0, heard.stderr
    ours = MelCNN().extract(Track("song", audio=song))["log_mel"]
    assert json.loads(heard.stdout) == pytest.approx([*ours.shape, float(ours.mean())], rel=1e-6)
    refused = without_keras("-m", "deephits_keras", "predict", run, *SONG)
    assert refused.returncode == 2
    assert "Keras isn't installed" in refused.stderr


def test_a_card_has_the_licence_of_published_weights(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    config = json.loads((copy / "config.json").read_text())
    config["modalities"]["meta"]["weights"] = "their network, MIT, example.org"
    (copy / "config.json").write_text(json.dumps(config))
    card = (export_run(Run(copy), tmp_path / "bundle").folder / "README.md").read_text()
    assert "\n- Published weights among them: their network, MIT, example.org\n" in card


def test_a_bundle_tells_what_it_is_and_keeps_its_trainers_secrets(exported: Path) -> None:
    manifest = json.loads((exported / MANIFEST).read_text())
    inputs = {tensor["name"]: tensor["shape"] for tensor in manifest["inputs"]}
    assert inputs == {"meta_fields": [14], "meta_present": [1]}
    assert manifest["output"]["tiers"] == ["0-25", "25-65", "65-100"]
    assert manifest["licences"].keys() == {"code", "weights"}
    assert manifest["licences"]["weights"] == "CC BY 4.0"
    card = (exported / "README.md").read_text()
    for said in ("## Metrics", "| Macro-F1 |", "## Licences", "CC BY 4.0", "36 train"):
        assert said in card
    for path in exported.iterdir():
        assert b"secret" not in path.read_bytes()
        assert str(exported.parent).encode() not in path.read_bytes()
    # This package is installed from a folder here, which is nobody's business either.
    assert "file:" not in (exported / MANIFEST).read_text()


def test_a_whole_bundle_is_verified_and_a_damaged_one_is_refused(
    bundle: Path, deephits: Deephits
) -> None:
    outcome = deephits("verify", bundle)
    assert outcome.code == 0, outcome.out + outcome.err
    assert "a bundle, whole; 4 files checked" in outcome.out
    with (bundle / "model.onnx").open("ab") as file:
        file.write(b"more")
    assert deephits("verify", bundle).code == 1
    refused = deephits("predict", bundle, *SONG)
    assert refused.code == 2
    assert "model.onnx has changed since" in refused.err


def test_a_bundle_without_its_description_is_no_damaged_run(
    bundle: Path, deephits: Deephits
) -> None:
    (bundle / MANIFEST).unlink()
    outcome = deephits("verify", bundle)
    assert outcome.code == 1
    assert "bundle.json is missing" in outcome.out
    assert "copy the bundle again" in outcome.out


def sign(bundle: Path) -> None:
    """Make the checksums right again, as a stranger could."""
    names = json.loads((bundle / CHECKSUMS).read_text())
    (bundle / CHECKSUMS).write_text(json.dumps({n: sha256(bundle / n) for n in names}))


def test_answers_that_are_not_the_examples_are_found(bundle: Path, deephits: Deephits) -> None:
    with np.load(bundle / "examples.npz") as archive:
        arrays = dict(archive)
    arrays["outputs"] = arrays["outputs"] * np.float32(1.01)
    np.savez_compressed(bundle / "examples.npz", **arrays)
    sign(bundle)
    outcome = deephits("verify", bundle)
    assert outcome.code == 1
    assert "its example tracks' " in outcome.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(graph="../../model.onnx"), "the graph must be model.onnx"),
        (lambda m: m.update(format=2), "its format is 2, and this version reads 1"),
        (lambda m: m["inputs"][0].update(shape=[2**20, 2**20]), "is too large"),
        (lambda m: m["inputs"][0].update(shape=[15]), "has other inputs"),
        (lambda m: m["inputs"][0].update(surprise=1), "damaged"),
        (lambda m: m["run"].update(task="tiers-5"), "output must be"),
        (lambda m: (m["run"].update(task="tiers-5"), m.update(output=FIVE)), "it gives"),
        (lambda m: m["output"].update(tiers=["low", "middle", "high"]), "output must be"),
        (lambda m: m.update(batch=-1), "batch must be null"),
        (lambda m: m["calibration"].update(threshold="0.5"), "damaged"),
        (lambda m: m.pop("licences"), "damaged"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    change: Callable[[Any], Any], said: str, bundle: Path
) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    change(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    sign(bundle)
    with pytest.raises(UserError, match=said):
        _ = Predictor(Bundle(bundle)).score


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1.0])
def test_other_answers_for_the_examples_are_found(
    wrong: float, bundle: Path, deephits: Deephits
) -> None:
    examples = dict(np.load(bundle / EXAMPLES))
    examples["outputs"][1, 0] += wrong
    np.savez(bundle / EXAMPLES, **examples)
    sign(bundle)
    outcome = deephits("verify", bundle)
    assert outcome.code == 1
    assert ("differ by" if wrong == 1 else "aren't finite numbers") in outcome.out


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "other.onnx"])
def test_files_that_no_bundle_has_are_refused(name: str, bundle: Path) -> None:
    checksums = json.loads((bundle / CHECKSUMS).read_text())
    checksums[name] = checksums.pop("model.onnx")
    (bundle / CHECKSUMS).write_text(json.dumps(checksums))
    with pytest.raises(UserError, match="and a graph"):
        Bundle(bundle)


def test_a_link_out_of_the_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (bundle / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(UserError, match="is missing, or is a link"):
        Bundle(bundle)


def test_a_taken_folder_and_an_unfinished_run_are_refused(
    run: Path, exported: Path, tmp_path: Path, deephits: Deephits
) -> None:
    taken = deephits("export", run, exported)
    assert taken.code == 2
    assert "is not empty" in taken.err
    unfinished = Path(shutil.copytree(run, tmp_path / "run"))
    (unfinished / "model.keras").unlink()
    outcome = deephits("export", unfinished, tmp_path / "out")
    assert outcome.code == 2
    assert not (tmp_path / "out").exists()


def test_an_exported_model_is_not_explained(exported: Path) -> None:
    from deephits_keras.explanation.track import TrackExplainer

    with pytest.raises(UserError, match="explain the run"):
        TrackExplainer(Predictor(Bundle(exported)))


def test_settings_of_an_encoder_that_the_model_lacks_are_refused(
    exported: Path, deephits: Deephits
) -> None:
    outcome = deephits("predict", exported, *SONG, "--mel-frames", "64")
    assert outcome.code == 2
    assert "This run has no mel whose settings could be changed" in outcome.err


def test_weights_of_8_bits_are_measured_on_the_held_out_tracks(
    run: Path, exported: Path, tmp_path: Path, deephits: Deephits
) -> None:
    small = tmp_path / "small"
    outcome = deephits("export", run, small, "--quantize", "int8")
    assert outcome.code == 0, outcome.err
    assert "macro-F1 of 24 validation tracks" in outcome.out
    assert deephits("verify", small).code == 0
    bundle, whole = Bundle(small), Bundle(exported)
    measured = bundle.manifest.quantized
    assert measured is not None
    assert measured.size.int8 == (small / "model.onnx").stat().st_size
    full = (exported / "model.onnx").stat().st_size
    assert measured.size.float32 == pytest.approx(full, rel=0.01)
    assert measured.size.int8 < 0.5 * measured.size.float32
    said = Run(run).metrics["parts"]["validation"]["tiers-3"]["log_loss"]
    assert measured.metrics["tiers-3"]["log_loss"].float32 == pytest.approx(said, abs=1e-4)
    card = (small / "README.md").read_text()
    assert "| tiers-3: Macro-F1 |" in card
    track = Track("track", fields={"tempo": 120.0, "artist_popularity": 70.0})
    (ours,), (theirs,) = (Predictor(each).predict([track]) for each in (bundle, whole))
    assert ours.scores == pytest.approx(theirs.scores, abs=0.02)
    assert ours.scores != theirs.scores


def test_weights_of_8_bits_that_lose_too_much_are_refused(run: Path, tmp_path: Path) -> None:
    # A change of 0 is a loss where a gain is asked for.
    with pytest.raises(UserError, match="more than the allowed -1"):
        export_run(Run(run), tmp_path / "small", quantize="int8", allow_drop=-1.0)
    assert not [*tmp_path.iterdir()]


def test_other_formats_have_no_weights_of_8_bits(
    run: Path, tmp_path: Path, deephits: Deephits
) -> None:
    outcome = deephits("export", run, tmp_path / "x", "--format", "litert", "--quantize", "int8")
    assert outcome.code == 2
    assert "Only onnx has smaller weights" in outcome.err
