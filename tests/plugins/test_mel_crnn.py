"""`mel_crnn`: its shapes, and the course of time that it can hear."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from deephits_plugins.mel_cnn import MelCNN
from deephits_plugins.mel_crnn import MelCRNN
from keras import ops

from deephits_keras.errors import UserError
from deephits_keras.explanation.integrated import integrated_gradients
from deephits_keras.testing import sample_tracks
from deephits_keras.tracks import Track


def branch(encoder: MelCRNN) -> keras.Model:
    shape = encoder.feature_specs[0].shape
    features = keras.Input(shape, name="log_mel")
    return keras.Model({"log_mel": features}, encoder.build({"log_mel": features}))


def test_at_the_papers_size_thirteen_steps_of_sixty_channels_reach_the_grus() -> None:
    model = branch(MelCRNN())
    assert model.get_layer("steps").output.shape == (None, 13, 60)
    assert model.output.shape == (None, 64)
    convolutions = sum(9 * a * b + 2 * b for a, b in ((1, 30), (30, 60), (60, 60), (60, 60)))
    # Three gates, each with two biases, as in cuDNN.
    grus = sum(3 * 32 * (size + 32 + 2) for size in (60, 32))
    found = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert found == convolutions + grus + 33 * 64 == 99_162


@pytest.mark.parametrize("settings", [{"frames": 1}, {"frames": 95}, {"mel_bands": 20}])
def test_a_short_clip_and_few_bands_will_do(settings: dict[str, int]) -> None:
    encoder = MelCRNN.from_config({"frames": 200, **settings})
    shape = encoder.feature_specs[0].shape
    given = branch(encoder).predict_on_batch({"log_mel": np.zeros((2, *shape), "float32")})
    assert given.shape == (2, 64)
    assert np.isfinite(given).all()


def test_it_extracts_what_the_default_encoder_does_into_a_store_of_its_own(tmp_path) -> None:
    track = sample_tracks(tmp_path)[0]
    recurrent, residual = (e.from_config({"frames": 100}) for e in (MelCRNN, MelCNN))
    first, second = recurrent.extract(track), residual.extract(track)
    np.testing.assert_array_equal(first["log_mel"], second["log_mel"])
    assert recurrent.fingerprint() != residual.fingerprint()
    assert recurrent.extract(Track("deaf")) is None


def test_settings_that_cannot_be_are_refused() -> None:
    for settings in ({"units": 0}, {"frames": 0}):
        with pytest.raises(UserError, match=next(iter(settings))):
            MelCRNN.from_config(settings)


def pieces(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of them have a loud band at the start, half the same band at the end."""
    rng = np.random.default_rng(5)
    decibels = rng.normal(-60, 5, (count, 16, 384)).astype("float32")
    late = np.arange(count) % 2
    for piece, is_late in zip(decibels, late, strict=True):
        piece[6:9, 192:] += 40 * is_late
        piece[6:9, :192] += 40 * (1 - is_late)
    return decibels, late.astype("float32")


@pytest.fixture(scope="module")
def trained() -> tuple[MelCRNN, keras.Model, keras.Model]:
    """An encoder, its branch, and a model of it that tells early from late."""
    keras.utils.set_random_seed(1)
    encoder = MelCRNN.from_config({"mel_bands": 16, "frames": 384})
    decibels, late = pieces(16)
    encoder.adapt([{"log_mel": decibels}])
    embed = branch(encoder)
    model = keras.Model(embed.input, keras.layers.Dense(1, activation="sigmoid")(embed.output))
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit({"log_mel": decibels}, late, epochs=40, verbose=0)
    return encoder, embed, model


def test_it_learns_when_a_band_is_loud(trained) -> None:
    decibels, late = pieces(30)
    given = trained[2].predict_on_batch({"log_mel": decibels[16:]})[:, 0]
    np.testing.assert_array_equal(given > 0.5, late[16:] > 0.5)


def test_the_account_of_a_score_is_complete_against_the_mean_level(trained) -> None:
    encoder, embed, model = trained
    decibels, _ = pieces(2)
    told = encoder.explainable(Track("a"), {"log_mel": decibels[1].astype("float16")}, embed)
    assert told.baseline["log_mel"] == pytest.approx(encoder.mean, abs=0.01)
    assert f"{encoder.mean:.1f} dB" in told.reference
    head = model.layers[-1]
    found = integrated_gradients(
        lambda values: ops.reshape(head(told.embed(values)), (-1,)), told.point, told.baseline
    )
    (part,) = told.parts(found.values)
    assert abs(found.difference) > 0.1
    assert part.contribution == pytest.approx(found.difference, rel=0.01)
