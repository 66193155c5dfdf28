"""`essentia_descriptors`: the real library on recordings whose answers are known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import soundfile
from deephits_plugins.essentia_descriptors import EssentiaDescriptors
from deephits_plugins.essentia_descriptors.mapping import default_mapping
from deephits_plugins.essentia_descriptors.measure import STATISTICS, measure
from encoding import with_av

from deephits_keras.audio.errors import AudioError
from deephits_keras.encoders.features import ExtractionError
from deephits_keras.fields.vector import FieldVector
from deephits_keras.sample.audio import Piece, render
from deephits_keras.tracks import Track

RATE = 44_100
TRIADS = {"I": (0, 4, 7), "IV": (0, 5, 9), "V": (-1, 2, 7), "i": (0, 3, 7), "iv": (0, 5, 8)}
MAJOR, MINOR = ("I", "IV", "V", "I"), ("i", "iv", "V", "i")

Signal = np.ndarray[Any, np.dtype[np.float64]]


def clicks(bpm: float, seconds: float, rate: int = RATE) -> Signal:
    """A 30 ms click on each beat."""
    times = np.arange(int(0.03 * rate)) / rate
    click = 0.8 * np.exp(-times / 0.005) * np.sin(2 * np.pi * 1000 * times)
    track = np.zeros(int(seconds * rate))
    for beat in np.arange(0, seconds - 0.1, 60 / bpm):
        start = int(beat * rate)
        track[start : start + len(click)] += click
    return track


def cadence(tonic: int, degrees: tuple[str, ...], seconds: float = 30.0) -> Signal:
    """A cadence of triads above a tonic (0 is middle C), a chord a second, over and over."""
    times = np.arange(RATE) / RATE
    edges = np.minimum(1, np.minimum(times, times[::-1]) / 0.02)
    chords = []
    for degree in degrees:
        notes = 261.626 * 2 ** ((tonic + np.array(TRIADS[degree])) / 12)
        parts = [np.sin(2 * np.pi * note * h * times) / h for note in notes for h in (1, 2, 3, 4)]
        chords.append(0.05 * edges * sum(parts))
    loop = np.concatenate(chords)
    return np.resize(loop, int(seconds * RATE))


def sine(level_db: float, seconds: float = 10.0, rate: int = RATE) -> Signal:
    """997 Hz, EBU Tech 3341's test frequency, with its peak at a level in dB of full scale."""
    times = np.arange(int(seconds * rate)) / rate
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * times)


def stereo(signal: Signal) -> Signal:
    return np.stack([signal, signal], axis=1)


@pytest.fixture
def described(tmp_path: Path) -> Callable[..., dict[str, float]]:
    def run(signal: Signal, rate: int = RATE, suffix: str = ".wav") -> dict[str, float]:
        path = tmp_path / f"song{suffix}"
        soundfile.write(path, signal, rate)
        encoder = EssentiaDescriptors()
        track = Track("song", audio=path)
        features = encoder.extract(track)
        assert features is not None
        return encoder.describe(track, features)

    return run


# Essentia places beats in steps of 512 samples, 11.6 ms: of the 29 s between the first and the last
# that is 0.04 %. 1 % also tells the tempi and their halves, doubles and thirds apart.
@pytest.mark.parametrize("bpm", [90, 120, 140])
def test_a_click_tracks_tempo(described: Callable[..., dict[str, float]], bpm: int) -> None:
    assert described(clicks(bpm, 30))["tempo"] == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("rate", [22_050, 32_000, 48_000, 96_000])
def test_the_tempo_is_the_same_at_every_sample_rate(
    described: Callable[..., dict[str, float]], rate: int
) -> None:
    values = described(clicks(120, 30, rate), rate)
    assert values["tempo"] == pytest.approx(120, rel=0.01)
    assert values["duration_ms"] == pytest.approx(30_000, abs=1)


def test_three_minutes(described: Callable[..., dict[str, float]]) -> None:
    values = described(stereo(clicks(120, 180)), suffix=".flac")
    assert values["tempo"] == pytest.approx(120, rel=0.01)
    assert values["duration_ms"] == pytest.approx(180_000, abs=1)


@pytest.mark.parametrize(
    ("tonic", "degrees", "key", "mode"),
    [(0, MAJOR, 0, 1), (5, MAJOR, 5, 1), (-3, MINOR, 9, 0), (1, MINOR, 1, 0)],
    ids=["C major", "F major", "A minor", "C sharp minor"],
)
def test_a_cadences_key_and_mode(
    described: Callable[..., dict[str, float]],
    tonic: int,
    degrees: tuple[str, ...],
    key: int,
    mode: int,
) -> None:
    values = described(cadence(tonic, degrees))
    assert (values["key"], values["mode"]) == (key, mode)


def test_what_is_no_music_has_no_musical_values(
    described: Callable[..., dict[str, float]],
) -> None:
    """Essentia gives noise a tempo of 141 BPM and a tone a danceability of 404, for example."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(15 * RATE)
    for nothing in (noise, sine(-20, 15.0)):
        values = described(nothing)
        assert values["key"] == -1
        assert not {"tempo", "danceability", "mode", "valence"} & set(values)
        assert {"loudness", "energy", "acousticness", "duration_ms"} <= set(values)


def test_keys_of_whole_pieces_are_right_more_often_than_not(tmp_path: Path) -> None:
    """Chords, bass, melody and drums: MusicExtractor's own keys are the fourth degree on four."""
    right = 0
    for key in range(0, 12, 2):
        tonic = Piece("t", "a", 110.0, key, key // 2 % 2, 4, 0.5, -14.0, 12.0, 0.0, (key, 7))
        path = tmp_path / f"{key}.wav"
        soundfile.write(path, render(tonic), RATE)
        statistics = measure(path)
        right += statistics[STATISTICS.index("tonal.key")] == key
    assert right >= 4


@pytest.mark.parametrize("format", ["OGG", "M4A"])
def test_opus_and_m4a_are_measured_too(tmp_path: Path, format: str) -> None:
    path = tmp_path / "song"
    samples = stereo(clicks(120, 12, 48000)).astype(np.float32)
    if format == "OGG":
        soundfile.write(path, samples, 48000, format="OGG", subtype="OPUS")
    else:
        pytest.importorskip("av")
        path.write_bytes(with_av("ipod", "aac", 48000, samples))
    assert measure(path)[STATISTICS.index("tempo")] == pytest.approx(120, rel=0.01)


# ITU-R BS.1770-4: -0.691 + 10 log10(sum over channels of the mean square after the K filter),
# and the K filter's gain at 997 Hz is +0.691 dB. A sine's mean square is half its peak's: two
# channels give the peak's level, one channel 3.01 dB less. EBU Tech 3341 allows 0.1 LU.
@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
@pytest.mark.parametrize("level", [-10.0, -23.0, -36.0])
def test_the_loudness_of_a_stereo_sine_is_its_level(
    described: Callable[..., dict[str, float]], level: float, rate: int
) -> None:
    values = described(stereo(sine(level, rate=rate)), rate)
    assert values["loudness"] == pytest.approx(level, abs=0.1)


def test_one_channel_is_3_db_less_than_two(described: Callable[..., dict[str, float]]) -> None:
    assert described(sine(-20))["loudness"] == pytest.approx(-23.01, abs=0.1)


def test_every_descriptor_is_within_spotifys_range(
    described: Callable[..., dict[str, float]],
) -> None:
    values = described(render(Piece("t", "a", 120.0, 0, 1, 4, 0.5, -14.0, 12.0, 0.0, (0, 7))))
    assert sorted(values) == [
        "acousticness",
        "danceability",
        "duration_ms",
        "energy",
        "instrumentalness",
        "key",
        "loudness",
        "mode",
        "tempo",
        "valence",
    ]
    for name in ("acousticness", "danceability", "energy", "instrumentalness", "valence"):
        assert 0 <= values[name] <= 1, name


def test_louder_is_more_energetic_and_major_more_positive(
    described: Callable[..., dict[str, float]],
) -> None:
    major, minor = cadence(0, MAJOR), cadence(0, MINOR)
    assert described(major)["energy"] > described(0.1 * major)["energy"] + 0.1
    assert described(major)["valence"] > described(minor)["valence"] + 0.1


def test_too_little_sound_for_a_tempo_has_none(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(4000), RATE)
    encoder, track = EssentiaDescriptors(), Track("short", audio=path)
    features = encoder.extract(track)
    assert features is not None
    assert {"tempo", "valence"} <= set(encoder.missing_parts(track, features))
    assert "tempo" not in encoder.describe(track, features)


def test_the_same_recording_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, stereo(cadence(0, MAJOR, 10) + clicks(100, 10)), RATE)
    code = (
        "import sys; from pathlib import Path; "
        "from deephits_plugins.essentia_descriptors.measure import measure; "
        "sys.stdout.buffer.write(measure(Path(sys.argv[1])).tobytes())"
    )
    other = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert measure(path).tobytes() == measure(path).tobytes() == other.stdout


def test_a_track_without_a_recording_lacks_the_modality() -> None:
    assert EssentiaDescriptors().extract(Track("t", lyrics="la la")) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"This is a line of text.\n" * 50, "can't be decoded"), (None, "opened")],
)
def test_a_damaged_recording_names_track_and_file(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "song.mp3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExtractionError, match=rf"track t7: song\.mp3 .*{reason}"):
        EssentiaDescriptors().extract(Track("t7", audio=path))


def test_a_recording_that_ends_early_is_what_there_is_of_it(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    soundfile.write(path, stereo(clicks(120, 30)), RATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    statistics = measure(path)
    assert statistics[STATISTICS.index("rhythm.bpm")] == pytest.approx(120, rel=0.01)
    assert 13 < statistics[STATISTICS.index("length")] < 17


def test_silence_cannot_be_analysed(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(10 * RATE), RATE)
    with pytest.raises(AudioError, match=r"silence\.wav is silent"):
        measure(path)


def test_without_essentia_it_says_what_to_install(tmp_path: Path) -> None:
    """A process in which `essentia` can't be imported lists the encoder and refuses to measure."""
    soundfile.write(tmp_path / "song.wav", sine(-20, 1), RATE)
    code = (
        "import sys; sys.modules['essentia'] = None; from pathlib import Path\n"
        "from deephits_keras.encoders.registry import registry\n"
        "from deephits_keras.tracks import Track\n"
        "encoder = registry().load('essentia_descriptors')()\n"
        "encoder.extract(Track('t', audio=Path(sys.argv[1])))"
    )
    failed = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "song.wav"], capture_output=True, text=True
    )
    assert "UserError: Essentia isn't installed" in failed.stderr
    assert "pip install 'deephits-keras[essentia]'" in failed.stderr
    assert "AGPL-3.0" in failed.stderr


# === Inside the graph ===


def statistics_of(tracks: int) -> np.ndarray:
    """Plausible statistics, some danceability above 1; the others are standard normal."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(tracks, len(STATISTICS)))
    for name, column in {
        "tempo": rng.uniform(70, 180, tracks),
        "danceability": rng.uniform(0.5, 4.5, tracks),
        "rhythm.onset_rate": rng.uniform(1, 6, tracks),
        "lowlevel.loudness_ebu128.integrated": rng.uniform(-25, -6, tracks),
        "lowlevel.spectral_complexity.mean": rng.uniform(2, 28, tracks),
        "lowlevel.pitch_salience.stdev": rng.uniform(0.02, 0.18, tracks),
        "mode": rng.integers(0, 2, tracks),
        "tonal.key": rng.integers(-1, 12, tracks),
        "length": rng.uniform(30, 400, tracks),
    }.items():
        values[:, STATISTICS.index(name)] = column
    return values.astype(np.float32)


@pytest.fixture
def adapted() -> EssentiaDescriptors:
    encoder = EssentiaDescriptors()
    parts = np.array_split(statistics_of(500), 7)
    encoder.adapt([{"statistics": part} for part in parts])
    return encoder


def branch(encoder: EssentiaDescriptors) -> keras.Model:
    inputs = keras.Input((len(STATISTICS),), name="statistics")
    return keras.Model(inputs, encoder.build({"statistics": inputs}))


def vector(encoder: EssentiaDescriptors, rows: np.ndarray) -> np.ndarray:
    model = branch(encoder)
    (layer,) = (layer for layer in model.layers if isinstance(layer, FieldVector))
    return keras.ops.convert_to_numpy(keras.Model(model.input, layer.output)(rows))


def test_the_default_vector_is_22_numbers_like_the_papers(adapted: EssentiaDescriptors) -> None:
    rows = statistics_of(500)
    values = vector(adapted, rows)
    assert values.shape == (500, 22)
    # float32 holds 24 bits: durations of up to 4e5 ms minus their mean are good to 1e-6 of it.
    np.testing.assert_allclose(values[:, :8].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(values[:, :8].std(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(values[:, 8], rows[:, STATISTICS.index("mode")])
    key = rows[:, STATISTICS.index("tonal.key")]
    np.testing.assert_array_equal(values[:, 9:].sum(axis=1), 1)
    np.testing.assert_array_equal(values[:, 9:].argmax(axis=1), np.where(key < 0, 12, key))
    assert branch(adapted).count_params() == 5632


def test_the_graph_maps_as_numpy_does(adapted: EssentiaDescriptors) -> None:
    rows = statistics_of(500)
    mapping = default_mapping()
    expected = mapping.apply(rows)[:, :8]
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(vector(adapted, rows)[:, :8], expected, atol=1e-4)


def test_an_unknown_descriptor_is_at_its_mean_and_an_unknown_key_undefined(
    adapted: EssentiaDescriptors,
) -> None:
    values = vector(adapted, np.full((1, len(STATISTICS)), np.nan, np.float32))[0]
    assert values[-1] == 1
    assert np.count_nonzero(values) == 1


def test_unknown_statistics_of_no_weight_change_nothing(adapted: EssentiaDescriptors) -> None:
    rows = statistics_of(5)
    holes = rows.copy()
    holes[:, STATISTICS.index("lowlevel.mfcc.mean[3]")] = np.nan
    np.testing.assert_array_equal(vector(adapted, rows), vector(adapted, holes))


def test_saved_and_loaded_the_branch_gives_the_same(
    adapted: EssentiaDescriptors, tmp_path: Path
) -> None:
    model = branch(adapted)
    model.save(tmp_path / "branch.keras")
    loaded = keras.saving.load_model(tmp_path / "branch.keras", safe_mode=True)
    rows = statistics_of(5)
    rows[0, 3] = np.nan
    np.testing.assert_array_equal(model.predict_on_batch(rows), loaded.predict_on_batch(rows))
