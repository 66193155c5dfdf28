"""Several windows of a recording: one feature, one branch, one embedding."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import soundfile
from deephits_plugins.mel_cnn import MelCNN
from deephits_plugins.mel_crnn import MelCRNN

from deephits_keras.audio.log_mel import LogMelEncoder
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

SMALL = {"sample_rate": 4000, "n_fft": 256, "hop_length": 128, "mel_bands": 16, "frames": 32}
WINDOWS = 4


def branch_of(encoder: LogMelEncoder) -> keras.Model:
    features = keras.Input(encoder.feature_specs[0].shape, name="log_mel")
    return keras.Model(features, encoder.build({"log_mel": features}))


def parameters(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_one_window_keeps_the_store_that_it_had() -> None:
    assert MelCNN().fingerprint() == "a114f5ed0f44"
    assert MelCRNN().fingerprint() == "5b74f863ca1e"
    assert MelCNN.from_config({"windows": 2}).fingerprint() != MelCNN().fingerprint()
    # What is done with the windows changes nothing that is stored.
    pooled = MelCNN.from_config({"windows": 2, "pooling": "attention"})
    assert pooled.fingerprint() == MelCNN.from_config({"windows": 2}).fingerprint()


def test_one_window_is_the_papers_model_to_the_parameter() -> None:
    assert parameters(branch_of(MelCNN.from_config({"frames": 64}))) == 92_736
    average = MelCNN.from_config({"frames": 64, "windows": 3})
    assert parameters(branch_of(average)) == 92_736
    attention = MelCNN.from_config({"frames": 64, "windows": 3, "pooling": "attention"})
    assert parameters(branch_of(attention)) == 92_736 + 64 * 32 + 32 + 32


@pytest.mark.parametrize("kind", [MelCNN, MelCRNN])
def test_every_window_goes_through_the_same_branch(kind: type[LogMelEncoder]) -> None:
    keras.utils.set_random_seed(0)
    several = branch_of(kind.from_config({**SMALL, "windows": WINDOWS}))
    single = branch_of(kind.from_config(SMALL))
    single.set_weights(several.get_weights())
    values = np.random.default_rng(0).normal(-40, 15, (5, WINDOWS, 16, 32)).astype(np.float32)
    each = np.stack([single.predict_on_batch(values[:, n]) for n in range(WINDOWS)])
    together = several.predict_on_batch(values)
    np.testing.assert_allclose(together, each.mean(axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", ["average", "attention"])
def test_saved_and_loaded_it_gives_the_same(pooling: str, tmp_path: Path) -> None:
    model = branch_of(MelCNN.from_config({**SMALL, "windows": WINDOWS, "pooling": pooling}))
    model.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    values = np.random.default_rng(0).normal(-40, 15, (3, WINDOWS, 16, 32)).astype(np.float32)
    np.testing.assert_array_equal(model.predict_on_batch(values), loaded.predict_on_batch(values))


def test_no_number_of_windows_below_one() -> None:
    with pytest.raises(UserError, match="windows must be from 1"):
        MelCNN.from_config({"windows": 0})


def song(path: Path, rng: np.random.Generator, *, is_hit: bool) -> None:
    """Four seconds of hiss, in the last of which a hit has a tone."""
    rate = 4000
    samples = 0.1 * rng.standard_normal(4 * rate)
    if is_hit:
        time = np.arange(rate) / rate
        samples[-rate:] += 0.3 * np.sin(2 * np.pi * rng.uniform(400, 900) * time)
    soundfile.write(path, samples, rate)


@pytest.mark.parametrize(
    ("windows", "pooling"),
    [
        (1, "average"),
        pytest.param(4, "average", marks=pytest.mark.nightly),
        (4, "attention"),
    ],
)
def test_a_cause_at_the_end_is_learned_with_windows_and_not_without(
    windows: int, pooling: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    encoder = MelCNN.from_config({**SMALL, "windows": windows, "pooling": pooling})
    labels = np.arange(72) % 2
    features = []
    for number, label in enumerate(labels):
        path = tmp_path / f"{number}.wav"
        song(path, rng, is_hit=bool(label))
        extracted = encoder.extract(Track(str(number), audio=path))
        assert extracted is not None
        features.append(extracted["log_mel"])
    values = np.stack(features).astype(np.float32)
    encoder.adapt([{"log_mel": values[:48]}])
    keras.utils.set_random_seed(0)
    branch = branch_of(encoder)
    model = keras.Model(branch.input, keras.layers.Dense(1)(branch.output))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(values[:48], labels[:48], batch_size=12, epochs=12, verbose=0)
    right = np.mean((model.predict_on_batch(values[48:])[:, 0] > 0) == labels[48:])
    assert right > 0.9 if windows > 1 else right < 0.75
