"""The builder: Table A1's parameters, named inputs, both fusions, missing modalities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deephits_keras import build_model
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.model.builder import describe, trainable_parameters
from deephits_keras.model.fusion import EarlyFusion, Fusion, GatedFusion, LateFusion, get_fusion
from deephits_keras.tasks import get_task


def inputs_for(model: keras.Model, batch: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    inputs = {
        name: rng.normal(size=(batch, *tensor.shape[1:])).astype("float32")
        for name, tensor in model.input.items()
    }
    return {n: np.ones_like(v) if n.endswith("_present") else v for n, v in inputs.items()}


@pytest.mark.parametrize(
    ("task", "output", "total"),
    [
        ("tiers-3", 195, 476_483),
        ("tiers-5", 325, 476_613),
        ("tiers-10", 650, 476_938),
        ("regression", 65, 476_353),
    ],
)
def test_parameters_equal_table_a1(task: str, output: int, total: int) -> None:
    encoders = resolve_modalities("mel,lyrics,meta")
    model = build_model(list(encoders.values()), task=task)
    parts = describe(model, encoders, fusion=EarlyFusion(), task=get_task(task))
    assert {b.modality: b.parameters for b in parts.branches} == {
        "mel": 92_736,
        "lyrics": 262_656,
        "meta": 5_888,
    }
    assert parts.fusion_part.parameters == 115_008
    assert parts.output.parameters == output
    assert parts.total == trainable_parameters(model) == total


def test_removing_metadata_removes_128_parameters() -> None:
    descriptors = (
        "acousticness,danceability,duration_ms,energy,instrumentalness,liveness,loudness,"
        "speechiness,tempo,valence,mode,key"
    )
    full = build_model("meta")
    without = build_model("meta", settings={"meta": {"columns": descriptors}})
    assert trainable_parameters(full) - trainable_parameters(without) == 128


def test_inputs_are_named_after_modality_and_feature() -> None:
    model = build_model("mel,meta")
    assert list(model.input) == ["mel_log_mel", "mel_present", "meta_fields", "meta_present"]
    assert model.input["mel_log_mel"].shape == (None, 128, 1292)
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("fusion", ["early", "late", "gated"])
@pytest.mark.parametrize("task", ["tiers-3", "regression"])
def test_a_saved_model_loads_in_safe_mode_and_says_the_same(
    fusion: str, task: str, tmp_path: Path
) -> None:
    model = build_model("lyrics,meta", fusion=fusion, task=task, learned_missing=["meta"])
    inputs = inputs_for(model, 5)
    inputs["meta_present"][2:] = 0
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(
        loaded.predict(inputs, verbose=0), model.predict(inputs, verbose=0)
    )


@pytest.mark.parametrize("fusion", ["early", "late", "gated"])
def test_a_missing_modality_is_masked_whatever_its_features_hold(fusion: str) -> None:
    model = build_model("lyrics,meta", fusion=fusion, task="tiers-3")
    inputs = inputs_for(model, 4)
    inputs["lyrics_present"][:] = 0
    expected = model.predict(inputs, verbose=0)
    inputs["lyrics_cls"][:] = 1e6
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), expected)
    inputs["lyrics_present"][:] = 1
    assert not np.allclose(model.predict(inputs, verbose=0), expected)


def test_the_learned_missing_embedding_is_trained_only_by_missing_tracks() -> None:
    model = build_model("lyrics,meta", task="tiers-3", learned_missing=["lyrics"])
    vector = model.get_layer("lyrics_missing").vector
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    inputs = inputs_for(model, 8)
    model.train_on_batch(inputs, np.ones((8, 3)))
    assert not np.any(keras.ops.convert_to_numpy(vector))
    inputs["lyrics_present"][:4] = 0
    model.train_on_batch(inputs, np.ones((8, 3)))
    assert np.any(keras.ops.convert_to_numpy(vector))


def test_late_fusion_is_the_weighted_average_of_class_scores() -> None:
    weights = (("lyrics", 3.0), ("meta", 1.0))
    model = build_model("lyrics,meta", fusion=LateFusion(weights=weights), task="tiers-5")
    inputs = inputs_for(model, 6)

    def scores(**present: float) -> np.ndarray[Any, Any]:
        masks = {f"{m}_present": np.full((6, 1), p, "float32") for m, p in present.items()}
        logits = model.predict({**inputs, **masks}, verbose=0)
        return np.exp(logits)

    lyrics, meta = scores(lyrics=1, meta=0), scores(lyrics=0, meta=1)
    # Alone, a modality's scores are its own softmax: the absent one's weight goes to it.
    np.testing.assert_allclose(lyrics.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(scores(lyrics=1, meta=1), 0.75 * lyrics + 0.25 * meta, rtol=1e-5)


def test_late_fusion_learns_its_weights_unless_they_are_given() -> None:
    learned = build_model("lyrics,meta", fusion="late")
    given = build_model("lyrics,meta", fusion=LateFusion(weights=(("lyrics", 1.0), ("meta", 9.0))))
    assert trainable_parameters(learned) - trainable_parameters(given) == 2


def test_gated_fusion_weighs_each_track_by_what_is_there() -> None:
    model = build_model("lyrics,meta", fusion=GatedFusion(size=16), task="tiers-3")
    average = model.get_layer("fused")
    inputs = inputs_for(model, 3)
    inputs["lyrics_present"][1] = inputs["meta_present"][2] = 0
    inner = keras.Model(model.input, [*average.input, average.output])
    vectors, gates, _, fused = inner.predict(inputs, verbose=0)
    np.testing.assert_allclose(fused[1], vectors[1, 1], rtol=1e-6)
    np.testing.assert_allclose(fused[2], vectors[2, 0], rtol=1e-6)
    weight = 1 / (1 + np.exp(gates[0, 1] - gates[0, 0]))
    wanted = weight * vectors[0, 0] + (1 - weight) * vectors[0, 1]
    np.testing.assert_allclose(fused[0], wanted, rtol=1e-5, atol=1e-6)


def test_late_weights_must_name_every_modality() -> None:
    with pytest.raises(UserError, match="one positive weight for each of lyrics, meta"):
        build_model("lyrics,meta", fusion=LateFusion(weights=(("lyrics", 1.0),)))


@pytest.mark.parametrize(
    "fusion",
    [
        EarlyFusion(dropout=0.1),
        LateFusion(weights=(("mel", 2.0),), head="corn"),
        GatedFusion(size=32, units=(8, 4)),
    ],
)
def test_a_fusion_round_trips_through_json(fusion: Fusion) -> None:
    assert get_fusion(json.loads(json.dumps(fusion.to_json()))) == fusion


def test_an_unknown_fusion_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no fusion named 'middle'\. Fusions: early, late"):
        build_model("meta", fusion="middle")


def test_build_prints_every_part_and_saves(deephits: Callable[..., Any], tmp_path: Path) -> None:
    model, picture = tmp_path / "model.keras", tmp_path / "model.png"
    outcome = deephits(
        "build", "--modalities", "mel,lyrics,meta", "--out", model, "--plot", picture
    )
    assert outcome.code == 0, outcome.err
    for figure in ("92,736", "262,656", "5,888", "115,008", "650", "476,938", "128 x 1292"):
        assert figure in outcome.out
    assert keras.saving.load_model(model).count_params() >= 476_938
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_build_takes_encoder_settings_and_prints_json(deephits: Callable[..., Any]) -> None:
    outcome = deephits("build", "--json", "--modalities", "mel", "--mel-frames", "128")
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["branches"][0]["inputs"] == {"log_mel": [128, 128]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--modalities", "melody"], "No encoder serves the modality 'melody'"),
        (["--modalities", "mel", "--out", "model.h5"], "must end in .keras"),
        (["--modalities", "mel", "--mel-colour", "red"], "--mel-colour"),
        (["--modalities", "mel", "--task", "tiers-4"], "no task named 'tiers-4'"),
    ],
)
def test_build_refuses_a_mistake_with_exit_2(
    deephits: Callable[..., Any], words: list[str], message: str
) -> None:
    outcome = deephits("build", *words)
    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize(
    "modalities",
    ["mel,lyrics,meta", "mel=mel_crnn,lyrics=lyrics_lstm,meta", "mel,lyrics,meta,essentia"],
)
def test_no_two_weights_share_a_path(modalities: str, tmp_path: Path) -> None:
    """On PyTorch, Keras keeps weights by path: of two alike, one's gradient is never reset."""
    model = build_model(modalities)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)):
        paths = [weight.path for weight in each.trainable_weights]
        assert len(set(paths)) == len(paths)
