"""HitMusicNet's parts: 207 numbers of sound, six of style, and the sizes of its networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from deephits_plugins.low_level import LowLevel
from deephits_plugins.low_level.descriptors import NAMES, low_level
from deephits_plugins.stylometry.style import style_of

from deephits_keras.encoders.moments import NEVER
from deephits_keras.encoders.scaling import Scale
from deephits_keras.model.fusion import get_fusion
from deephits_keras.tracks import Track

RATE = 22050


def network(outputs: int, **settings: Any) -> keras.Model:
    inputs = keras.Input((228,), name="numbers")
    fusion = get_fusion({"name": "compressed", **settings})
    return keras.Model(inputs, fusion.build({"all": inputs}, {}, outputs, outputs > 1))


def parameters(model: keras.Model, *beginnings: str) -> int:
    layers = [layer for layer in model.layers if layer.name.startswith(beginnings)]
    return sum(layer.count_params() for layer in layers)


@pytest.mark.parametrize(
    ("share", "outputs", "count"),
    [(5, 1, 3443), (5, 3, 3475), (4, 1, 5501), (4, 3, 5541), (7, 1, 1783), (7, 3, 1807)],
)
def test_its_networks_have_the_sizes_of_the_published_ones(
    share: float, outputs: int, count: int
) -> None:
    model = network(outputs, share=share)
    assert parameters(model, "fusion_", "output") == count
    if share == 5:
        assert parameters(model, "encode_", "code") == 38311
        assert parameters(model, "encode_", "code", "decode_", "decoded") == 76805


def test_the_code_learns_to_make_its_inputs_again() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    # Inputs of two numbers; a target that says nothing of them.
    numbers = 1 / (1 + np.exp(-rng.normal(size=(256, 2)) @ rng.normal(size=(2, 228))))
    model = network(1, reconstruction=1.0)
    model.compile("adam", "mse")
    made = keras.Model(model.input, model.get_layer("decoded").output)
    before = float(np.mean((made.predict(numbers, verbose=0) - numbers) ** 2))
    model.fit(numbers, np.zeros(256), epochs=30, verbose=0)
    after = float(np.mean((made.predict(numbers, verbose=0) - numbers) ** 2))
    assert after < before / 3
    assert "decoded" not in {layer.name for layer in network(1, reconstruction=0.0).layers}


def test_numbers_of_a_tone() -> None:
    times = np.arange(2 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * times).astype(np.float32)
    found = dict(zip(NAMES, low_level(tone, RATE), strict=True))
    assert len(found) == 207
    assert all(np.isfinite(list(found.values())))
    # 440 Hz crosses zero 880 times a second; A is the tenth pitch class.
    assert found["zero_crossing_rate"] == pytest.approx(880 / RATE, rel=0.05)
    assert max(range(12), key=lambda k: found[f"chroma_{k}"]) == 9
    assert found["rolloff_85"] == pytest.approx(440, abs=30)
    silence = low_level(np.zeros(100, np.float32), RATE)
    assert np.isfinite(silence).all()


def test_a_recording_keeps_its_sample_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.normal(size=3 * 44100)).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", noise, 44100)
    features = LowLevel().extract(Track("noise", audio=tmp_path / "noise.wav"))
    assert features is not None
    named = LowLevel().tabular({"numbers": features["numbers"][np.newaxis]})
    # White noise has 85 % of its power below 85 % of half the rate.
    assert named["rolloff_85"][0] == pytest.approx(0.85 * 22050, rel=0.05)


def test_style_of_a_text() -> None:
    text = "Hello hello baby\n\nHello hello baby\nsomething else entirely"
    sentences, mean, words, syllables, likeness, wealth = style_of(text)
    assert (sentences, mean, words) == (3, 3, 9)
    # hel-lo x4, ba-by x2, some-thing (so-me-thi: 3 groups), el-se, en-ti-re-ly.
    assert syllables == pytest.approx((4 * 2 + 2 * 2 + 3 + 2 + 4) / 9)
    assert likeness == pytest.approx(1 / 3)
    # Four, two and one more of nine make up 80 %... of five different words.
    assert wealth == pytest.approx(4 / 5)
    assert style_of(" \n 1 2 3") is None


def test_a_scale_leaves_unknown_numbers_out() -> None:
    batches = [np.array([[1.0, np.nan], [3.0, np.nan]]), np.array([[5.0, np.nan]])]
    scale = Scale.from_bounds(batches, 2)
    assert (scale.offset, scale.span) == ([1.0, 0.0], [4.0, NEVER])
    assert Scale.from_moments(batches, 2).offset == [3.0, 0.0]
