"""`mel_cnn` against librosa's own pipeline, Table A1 and the oneDNN crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import librosa
import numpy as np
import pytest
import soundfile
from deephits_plugins.mel_cnn import MelCNN

from deephits_keras.audio.spectrogram import clip, log_mel
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.encoders.moments import Moments
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

PAPER = MelCNN().config


def music(rate: int, seconds: float) -> np.ndarray:
    """Falling and rising notes with overtones and a hiss, in stereo."""
    time = np.arange(int(rate * seconds)) / rate
    notes = 220 * 2 ** (np.floor(time * 4) % 12 / 12)
    phase = 2 * np.pi * np.cumsum(notes) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 6)) * 0.2
    hiss = np.random.default_rng(0).standard_normal(len(time)) * 0.01
    return np.stack([tone + hiss, 0.5 * tone - hiss], axis=1).astype(np.float32)


@pytest.fixture(params=[("song.mp3", 44100), ("song.ogg", 48000), ("song.flac", 22050)])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, rate = request.param
    soundfile.write(tmp_path / name, music(rate, 30.0), rate)
    return tmp_path / name


def test_the_spectrogram_is_librosas(recording: Path) -> None:
    waveform, rate = librosa.load(recording, sr=22050, duration=30.0)
    power = librosa.feature.melspectrogram(
        y=waveform, sr=rate, n_fft=1024, hop_length=512, n_mels=128
    )
    expected = librosa.power_to_db(power)
    assert expected.shape == (128, 1292)
    given = log_mel(clip(waveform, PAPER), PAPER)
    assert given.dtype == np.float32
    assert np.abs(given - expected).max() <= 0.01

    stored = MelCNN().extract(Track("song", audio=recording))
    assert stored is not None
    assert stored["log_mel"].dtype == np.float16
    # float16 has 11 bits: half of its last place is 2**-5 dB for values from 64 to 128 dB.
    assert np.abs(stored["log_mel"].astype(np.float32) - expected).max() <= 0.01 + 2**-5


@pytest.mark.parametrize(
    "settings", [{"n_fft": 2048}, {"hop_length": 256}, {"mel_bands": 64}, {"sample_rate": 16000}]
)
def test_other_settings_are_librosas_too(settings: dict[str, int]) -> None:
    config = MelCNN.from_config({"frames": 200, **settings}).config
    waveform = music(config.sample_rate, 20.0)[: 199 * config.hop_length, 0]
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(
            y=waveform,
            sr=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            n_mels=config.mel_bands,
        )
    )
    given = log_mel(waveform, config)
    assert given.shape == expected.shape
    assert np.abs(given - expected).max() <= 0.01


@pytest.mark.parametrize(("seconds", "padded"), [(0.5, True), (29.9, True), (30.0, False)])
def test_a_shorter_clip_is_padded_with_silence(seconds: float, padded: bool) -> None:
    waveform = music(22050, seconds)[:, 0]
    clipped = clip(waveform, PAPER)
    assert 1 + len(clipped) // PAPER.hop_length == PAPER.frames
    np.testing.assert_array_equal(clipped[: len(waveform)], waveform)
    assert (len(clipped) > len(waveform)) == padded
    assert not clipped[len(waveform) :].any()


def test_a_longer_clip_is_cut_in_the_middle_or_at_the_start() -> None:
    waveform = np.arange(22050 * 60, dtype=np.float32)
    wanted = 1292 * 512 - 1
    middle = clip(waveform, PAPER)
    start = clip(waveform, MelCNN.from_config({"crop": "start"}).config)
    assert len(middle) == len(start) == wanted
    assert start[0] == 0
    assert middle[0] == (len(waveform) - wanted) // 2


def test_silence_is_no_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(22050), 22050)
    with pytest.raises(ExtractionError, match=r"track t: silence\.wav is silent"):
        MelCNN().extract(Track("t", audio=tmp_path / "silence.wav"))


def test_a_track_without_audio_lacks_the_modality() -> None:
    assert MelCNN().extract(Track("song")) is None


def test_what_is_no_recording_names_the_track(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_text("no music")
    with pytest.raises(ExtractionError, match=r"track t7: song\.mp3 can't be decoded"):
        MelCNN().extract(Track("t7", audio=tmp_path / "song.mp3"))


@pytest.mark.parametrize("settings", [{"frames": 0}, {"crop": "end"}, {"decoder": "ffmpeg"}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(settings))):
        MelCNN.from_config(settings)


def test_the_mean_and_variance_are_those_of_all_values() -> None:
    values = np.random.default_rng(0).normal(-40, 15, (30, 8, 9)).astype(np.float16)
    moments = Moments.from_batches(np.array_split(values, [1, 7, 8, 20]))
    exact = values.astype(np.float64)
    assert moments.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert moments.variance == pytest.approx(exact.var(), rel=1e-12)


def branch(encoder: MelCNN) -> keras.Model:
    shape = encoder.feature_specs[0].shape
    features = keras.Input(shape, name="log_mel")
    return keras.Model(features, encoder.build({"log_mel": features}))


def test_the_shapes_are_table_a1s_at_128_frames() -> None:
    model = branch(MelCNN.from_config({"frames": 128}))
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    # Table A1 writes channels first: 8x64x64, 16x32x32, 32x16x16, 64x8x8.
    assert shapes["stem_relu"] == (64, 64, 8)
    assert shapes["block1_relu2"] == (32, 32, 16)
    assert shapes["block2_relu2"] == (16, 16, 32)
    assert shapes["block3_relu2"] == (8, 8, 64)
    assert shapes["average"] == (64,)
    assert shapes["hidden"] == (128,)
    assert model.output.shape == (None, 64)


@pytest.mark.parametrize("frames", [1, 127, 128, 1292])
def test_any_number_of_frames_has_the_same_parameters(frames: int) -> None:
    model = branch(MelCNN.from_config({"frames": frames}))
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 92_736
    assert np.isfinite(model.predict_on_batch(np.zeros((1, 128, frames), np.float32))).all()


@pytest.fixture(scope="module")
def adapted() -> keras.Model:
    keras.utils.set_random_seed(0)
    encoder = MelCNN.from_config({"frames": 96})
    encoder.adapt([{"log_mel": np.random.default_rng(1).normal(-40, 15, (8, 128, 96))}])
    return branch(encoder)


def spectrograms(count: int) -> np.ndarray:
    return np.random.default_rng(2).normal(-40, 15, (count, 128, 96)).astype(np.float32)


def test_the_branch_standardises(adapted: keras.Model) -> None:
    standardise = adapted.get_layer("z_score")
    values = keras.ops.convert_to_numpy(standardise(spectrograms(8)))
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02


def test_a_row_does_not_depend_on_the_others(adapted: keras.Model) -> None:
    batch = spectrograms(6)
    together = adapted.predict_on_batch(batch)
    alone = np.concatenate([adapted.predict_on_batch(row[None]) for row in batch])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_saved_and_loaded_the_branch_gives_the_same(adapted: keras.Model, tmp_path: Path) -> None:
    adapted.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    batch = spectrograms(3)
    np.testing.assert_array_equal(adapted.predict_on_batch(batch), loaded.predict_on_batch(batch))


def a_strided_shortcut(model: keras.Model) -> list[str]:
    """Convolutions of the form whose gradient corrupts memory in oneDNN: 1 x 1 with a stride."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
        and layer.kernel_size == (1, 1)
        and layer.strides != (1, 1)
    ]


def test_no_convolution_of_one_pixel_has_a_stride(adapted: keras.Model) -> None:
    assert not a_strided_shortcut(adapted)
    dangerous = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1, strides=2)])
    assert a_strided_shortcut(dangerous)


TRAIN = """
import keras, numpy as np
from deephits_plugins.mel_cnn import MelCNN

encoder = MelCNN()
features = keras.Input(encoder.feature_specs[0].shape)
output = keras.layers.Dense(1)(encoder.build({"log_mel": features}))
model = keras.Model(features, output)
model.compile("adam", "mse")
model.fit(np.random.rand(48, 128, 1292), np.zeros(48), batch_size=16, epochs=2, verbose=0)
print("trained")
"""


@pytest.mark.nightly
def test_training_at_full_size_survives(run_python: Callable[[str], str]) -> None:
    """In a process of its own: a strided 1 x 1 convolution ends it with a segmentation fault.

    With the shortcut written so, this script died in three of three runs on a CPU with AVX-512.
    """
    assert run_python(TRAIN).strip().endswith("trained")


@pytest.fixture
def run_python() -> Callable[[str], str]:
    def run(source: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}"
        return done.stdout

    return run
