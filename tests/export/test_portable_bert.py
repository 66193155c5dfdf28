"""A bundle's BERT: lyrics are embedded without Keras, and as Keras embeds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.bert_lyrics.untrained import write_untrained_bert
from deephits_plugins.bert_tuned import BertTuned

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.export.exporter import export_run
from deephits_keras.features.extraction import extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train

LINES = ("love and rain in the morning", "Money, money! all night long", "a quiet road home")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert") / "checkpoint"
    write_untrained_bert(folder, LINES)
    return folder


@pytest.fixture(
    scope="module",
    params=["bert_lyrics", pytest.param("bert_tuned", marks=pytest.mark.nightly)],
)
def bundle(
    checkpoint: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Of a run whose only input is lyrics; afterwards its checkpoint is gone."""
    folder = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(0)
    lyrics = [" ".join(rng.permutation(" ".join(LINES).split())) for _ in range(30)]
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(30)], "lyrics": lyrics})
    table["popularity"] = rng.uniform(0, 100, 30).round()
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    corpus = Corpus.open(folder / "corpus")
    settings = {"lyrics": {"checkpoint": str(checkpoint)}}
    encoders = resolve_modalities(f"lyrics={request.param}", settings)
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    training = TrainingConfig(epochs=1, batch_size=16)
    split = make_split("random", corpus, validation=0.3)
    run = new_run(folder / "run", corpus, encoders, split, task="tiers-3", training=training)
    train(run, corpus)
    return export_run(folder / "run", folder / "bundle").folder


def test_lyrics_are_scored_without_keras_and_the_checkpoint(
    bundle: Path, checkpoint: Path, without_keras: Callable[..., Any], tmp_path: Path
) -> None:
    text = "LOVE, and Zürich rain é morning all night"
    (ours,) = Predictor(Run(bundle.parent / "run")).predict([Track("a", lyrics=text)])
    (tmp_path / "song.txt").write_text(text, encoding="utf-8")
    away = checkpoint.rename(tmp_path / "away")
    try:
        words = ("predict", bundle, "--lyrics", tmp_path / "song.txt", "--json")
        done = without_keras("-m", "deephits_keras", *words)
    finally:
        away.rename(checkpoint)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["missing"] == []
    assert said["scores"] == pytest.approx(ours.scores, abs=1e-5)
    assert list(said["warnings"]) == list(ours.warnings)


@pytest.mark.parametrize("encoder", [BertLyrics, BertTuned])
def test_features_and_their_store_are_those_of_the_checkpoint(
    encoder: type[BertLyrics | BertTuned], checkpoint: Path, tmp_path: Path
) -> None:
    whole = encoder.from_config({"checkpoint": str(checkpoint), "max_tokens": 24})
    assert whole.write_portable(tmp_path) == ("checkpoint",)
    exported = encoder.from_config({"checkpoint": str(tmp_path), "max_tokens": 24})
    assert exported.fingerprint() == whole.fingerprint()
    assert exported.feature_specs == whole.feature_specs
    texts = [*LINES, " ".join(LINES * 5), "words that it has never seen"]
    tracks = [Track(str(n), lyrics=text) for n, text in enumerate(texts)]
    for mine, theirs in zip(whole.extract_many(tracks), exported.extract_many(tracks), strict=True):
        assert isinstance(mine, dict)
        assert isinstance(theirs, dict)
        for name, values in mine.items():
            # States are stored in float16.
            step = 2e-3 if values.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(theirs[name], values, rtol=0, atol=step)


def test_an_exported_bert_is_read_with_its_own_layers_alone(
    checkpoint: Path, tmp_path: Path
) -> None:
    BertTuned.from_config({"checkpoint": str(checkpoint), "layers": 1}).write_portable(tmp_path)
    track = Track("a", lyrics=LINES[0])
    for encoder, layers in ((BertTuned, {"layers": 2}), (BertLyrics, {})):
        exported = encoder.from_config({"checkpoint": str(tmp_path), **layers})
        with pytest.raises(UserError, match="without its last 1 layers"):
            exported.extract(track)


def test_the_files_of_an_encoder_are_checked(bundle: Path, deephits: Callable[..., Any]) -> None:
    assert deephits("verify", bundle).code == 0
    path = bundle / "encoders" / "lyrics" / "tokenizer.json"
    text = path.read_text()
    path.write_text(text + " ")
    try:
        assert "tokenizer.json has changed" in deephits("verify", bundle).out
    finally:
        path.write_text(text)


@pytest.mark.parametrize("name", ["encoders/../x", "encoders/a/../../x", "encoders/a/.x"])
def test_files_that_lead_out_of_a_bundle_are_refused(name: str, tmp_path: Path) -> None:
    from deephits_keras.export.bundle import Bundle

    names = ("bundle.json", "examples.npz", "README.md", "model.onnx", name)
    (tmp_path / "checksums.json").write_text(json.dumps(dict.fromkeys(names, "")))
    with pytest.raises(UserError, match="must name"):
        Bundle(tmp_path)
