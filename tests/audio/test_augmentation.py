"""Spectrograms vary in training, by the seed, and never at inference."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.mel_cnn import MelCNN
from deephits_plugins.mel_crnn import MelCRNN
from keras import ops

from deephits_keras.audio.augmentation import Mixup, RandomCrop, SpecAugment
from deephits_keras.errors import UserError
from deephits_keras.model.builder import build_model
from deephits_keras.testing.subject import branch_of

ALL = {"frames": 96, "mel_bands": 32, "mask_bands": 4, "mask_frames": 12, "mixup": 0.4}


def varied(layer: keras.layers.Layer, values: np.ndarray, seed: int = 0) -> np.ndarray:
    layer.seed_generator.state.assign([seed, 0])
    return ops.convert_to_numpy(layer(values, training=True))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    "layer", [SpecAugment(8, 8), RandomCrop(10), Mixup(0.5)], ids=lambda layer: layer.name
)
def test_only_training_varies_and_the_seed_decides(layer: keras.layers.Layer) -> None:
    values = rng().normal(-40, 10, (6, 16, 24)).astype("float32")
    np.testing.assert_array_equal(layer(values, training=False), values)
    np.testing.assert_array_equal(layer(values), values)
    first = varied(layer, values)
    np.testing.assert_array_equal(first, varied(layer, values))
    assert first.shape != values.shape or np.abs(first - values).max() > 1
    assert np.abs(first - varied(layer, values, seed=1)).max() > 1


@pytest.mark.parametrize("shape", [(64, 20, 30), (32, 2, 20, 30)])
def test_masks_are_bands_and_stretches_of_at_most_their_width(shape: tuple[int, ...]) -> None:
    values = np.ones(shape, "float32")
    layer = SpecAugment(bands=4, frames=6, masks=1, value=-7.0)
    masks = varied(layer, values).reshape(-1, 20, 30) == -7
    widths = []
    for mask in masks:
        bands, frames = mask.all(axis=1), mask.all(axis=0)
        np.testing.assert_array_equal(mask, bands[:, None] | frames[None])
        for covered in (bands, frames):
            # One mask of each kind: what it covers has no gap.
            assert np.ptp(np.flatnonzero(covered)) + 1 == covered.sum() if covered.any() else True
        widths.append((bands.sum(), frames.sum()))
    assert np.max(widths, axis=0).tolist() == [4, 6]
    assert np.min(widths, axis=0).tolist() == [0, 0]
    assert len({mask.tobytes() for mask in masks}) > 40


def test_a_crop_is_a_stretch_anywhere() -> None:
    ramps = np.tile(np.arange(40, dtype="float32"), (200, 2, 3, 1))
    crops = varied(RandomCrop(10), ramps)
    assert crops.shape == (200, 2, 3, 10)
    assert (crops == crops[:, :1, :1, :1] + np.arange(10)).all()
    assert set(crops[:, 0, 0, 0].astype(int)) == set(range(31))
    np.testing.assert_array_equal(varied(RandomCrop(40), ramps), ramps)


def test_mixup_mixes_as_much_as_it_says_and_no_absent_track() -> None:
    values = np.zeros((3000, 2, 2), "float32")
    values[::3], values[1::3] = 1, 2
    mixed = varied(Mixup(1.0), values)
    # Rows of zeros have no recording: neither they nor those after them are mixed.
    np.testing.assert_array_equal(mixed[2::3], 0)
    np.testing.assert_array_equal(mixed[::3], 1)
    np.testing.assert_array_equal(mixed[1::3], mixed[1::3, :1, :1] * np.ones((1, 2, 2)))
    # Row 1 of three is 2, mixed with 1: the other's share is a third on average.
    assert (2 - mixed[1::3]).mean() == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize(
    "encoder",
    [
        MelCNN.from_config({**ALL, "train_frames": 40, "windows": 2, "pooling": "attention"}),
        MelCRNN.from_config(ALL),
    ],
    ids=["cnn", "crnn"],
)
def test_a_trained_branch_infers_as_one_without(encoder: Any) -> None:
    keras.utils.set_random_seed(0)
    plain = {"mask_bands": 0, "mask_frames": 0, "mixup": 0.0}
    settings = {**encoder.get_config(), **plain}
    if "train_frames" in settings:
        settings["train_frames"] = 0
    (spec,) = encoder.feature_specs
    batch = rng().normal(0, 1, (4, *spec.shape)).astype("float32")
    model = build_model([encoder], task="regression")
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    inputs = {"mel_log_mel": batch, "mel_present": np.ones((4, 1), "float32")}
    # What a training seeds at each epoch, so that a resumed one draws the same.
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert len(states) >= 2
    losses = {float(model.train_on_batch(inputs, np.ones((4, 1)))) for _ in range(3)}
    assert len(losses) == 3, "nothing varied"
    without = build_model([type(encoder).from_config(settings)], task="regression")
    weights = [v.numpy() for v in model.weights if v.name != "seed_generator_state"]
    others = [v for v in without.weights if v.name != "seed_generator_state"]
    for variable, value in zip(others, weights, strict=True):
        variable.assign(value)
    np.testing.assert_allclose(
        model.predict_on_batch(inputs), without.predict_on_batch(inputs), atol=1e-5
    )


def test_without_settings_the_branch_is_what_it_was() -> None:
    names = [layer.name for layer in branch_of(MelCNN.from_config({"frames": 96})).layers]
    assert not {"mixup", "masks", "crop"} & set(names)
    assert "channel" in names
    plain = MelCNN.from_config({"frames": 96}).fingerprint()
    assert MelCNN.from_config({"frames": 96, "mixup": 0.4}).fingerprint() == plain


@pytest.mark.parametrize(
    ("setting", "value"), [("mask_bands", 129), ("mask_frames", -1), ("mixup", 11.0)]
)
def test_settings_out_of_range_are_named(setting: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{setting} must be from 0 to"):
        MelCNN.from_config({setting: value})
