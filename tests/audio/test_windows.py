"""Windows of a recording are the same parts of the whole, and nothing else is decoded."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
from encoding import encoded, mp3

from deephits_keras.audio.decoding import load_audio, load_windows
from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.audio.spectrogram import clip, log_mel, mel_filters
from deephits_keras.audio.windows import window_starts

FORMATS = {
    "MP3, constant bit rate": lambda: mp3(44100, 2, "CONSTANT", 0.5),
    "MP3, variable bit rate": lambda: mp3(44100, 2, "VARIABLE", 0.5),
    "MP3, average bit rate": lambda: mp3(48000, 1, "AVERAGE", 0.7),
    "MP3, 320 kbit/s": lambda: mp3(48000, 2, "CONSTANT", 0.0),
    "MP3, 32 kbit/s": lambda: mp3(44100, 1, "CONSTANT", 0.99),
    "MP3, MPEG 2": lambda: mp3(22050, 2, "VARIABLE", 0.5),
    "MP3, MPEG 2, 8 kbit/s": lambda: mp3(22050, 1, "CONSTANT", 0.99),
    "MP3, MPEG 2.5": lambda: mp3(11025, 1, "CONSTANT", 0.99),
    "Vorbis": lambda: encoded("OGG", "VORBIS", 44100, 2),
    "Vorbis, 96 kHz": lambda: encoded("OGG", "VORBIS", 96000, 1),
    "Opus": lambda: encoded("OGG", "OPUS", 48000, 2),
    "Opus, 16 kHz": lambda: encoded("OGG", "OPUS", 16000, 1),
    "FLAC": lambda: encoded("FLAC", "PCM_16", 44100, 2),
    "FLAC, 24 bits": lambda: encoded("FLAC", "PCM_24", 96000, 1),
    "WAV": lambda: encoded("WAV", "PCM_16", 48000, 2),
    "WAV, float": lambda: encoded("WAV", "FLOAT", 22050, 2),
    "WAV, ADPCM": lambda: encoded("WAV", "IMA_ADPCM", 44100, 1),
    "AIFF": lambda: encoded("AIFF", "PCM_24", 44100, 2),
    "CAF, ALAC": lambda: encoded("CAF", "ALAC_16", 44100, 2),
}
SMALL = LogMelConfig(frames=44)


@pytest.fixture(scope="module", params=FORMATS)
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "song"
    path.write_bytes(FORMATS[request.param]())
    return path


@pytest.mark.parametrize("crop", ["center", "start"])
@pytest.mark.parametrize("count", [1, 4])
def test_a_window_is_the_same_part_of_the_whole(recording: Path, count: int, crop: str) -> None:
    whole = load_audio(recording, 22050)
    windows = load_windows(recording, 22050, 11025, count=count, crop=crop)
    assert len(windows) == count
    for start, window in zip(window_starts(len(whole), 11025, count, crop), windows, strict=True):
        assert len(window) == 11025
        assert np.abs(window - whole[start : start + 11025]).max() < 1e-6


@pytest.mark.parametrize("of", [(22_050, 2048, 128), (12_000, 512, 96), (44_100, 4096, 40)])
def test_its_filters_are_librosas_to_the_bit(of: tuple[int, int, int]) -> None:
    rate, n_fft, bands = of
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands)
    np.testing.assert_array_equal(mel_filters(*of), expected)


def test_its_log_mel_is_librosas_within_a_hundredth_of_a_decibel(recording: Path) -> None:
    waveform, _ = librosa.load(recording, sr=22050)
    part = clip(waveform, SMALL)
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(y=part, sr=22050, n_fft=1024, hop_length=512, n_mels=128)
    )
    (window,) = load_windows(recording, 22050, len(part))
    assert np.abs(log_mel(clip(window, SMALL), SMALL) - expected).max() <= 0.01


@pytest.mark.parametrize("rate", [44100, 16000, 11025, 8000])
def test_so_at_any_sample_rate(rate: int) -> None:
    content = encoded("FLAC", "PCM_16", 48000, 2)
    whole = load_audio(content, rate)
    (window,) = load_windows(content, rate, rate)
    start = (len(whole) - rate) // 2
    assert np.abs(window - whole[start : start + rate]).max() < 1e-6


def test_where_libsndfile_cannot_seek_the_window_is_right_too() -> None:
    content = encoded("WAV", "GSM610", 8000, 1)
    whole = load_audio(content, 16000)
    assert abs(len(whole) - 5 * 16000) <= 640
    (window,) = load_windows(content, 16000, 16000)
    start = (len(whole) - 16000) // 2
    assert np.abs(window - whole[start : start + 16000]).max() < 1e-6


def test_a_shorter_recording_is_given_whole() -> None:
    content = encoded("FLAC", "PCM_16", 44100, 2, seconds=1.0)
    first, second = load_windows(content, 22050, 44100, count=2)
    np.testing.assert_array_equal(first, load_audio(content, 22050))
    np.testing.assert_array_equal(first, second)


def test_windows_are_spread_over_the_recording() -> None:
    assert window_starts(1000, 100) == [450]
    assert window_starts(1000, 100, 3) == [116, 450, 783]
    assert window_starts(1000, 100, 4, "start") == [0, 250, 500, 750]
    # Parts shorter than a window: they overlap and stay inside.
    assert window_starts(150, 100, 3) == [0, 25, 50]
    assert window_starts(99, 100, 2) == [0, 0]


@pytest.mark.parametrize("name", ["MP3, variable bit rate", "FLAC", "Vorbis"])
def test_memory_is_the_windows(name: str, tmp_path: Path) -> None:
    def peak(seconds: float) -> int:
        path = tmp_path / f"{seconds}"
        rate = 44100
        content = {
            "FLAC": lambda: encoded("FLAC", "PCM_16", rate, 2, seconds),
            "Vorbis": lambda: encoded("OGG", "VORBIS", rate, 2, seconds),
        }.get(name, lambda: mp3(rate, 2, "VARIABLE", 0.9, seconds))()
        path.write_bytes(content)
        load_windows(path, 22050, 22050)
        tracemalloc.start()
        load_windows(path, 22050, 22050)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    # As floats, a minute in stereo is 21 MB; an MP3 itself is read whole.
    assert peak(60.0) - peak(5.0) < 2e6
