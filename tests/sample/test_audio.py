"""The music is what the table says it is."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest

from deephits_keras.sample.audio import BARS, SAMPLE_RATE, SCALES, Piece, render

PIECE = Piece(
    title="Synthetic",
    artist="Synthetic",
    tempo=112.0,
    key=2,
    mode=1,
    beats=4,
    energy=0.3,
    loudness=-14.0,
    seconds=30.0,
    brightness=0.0,
    seed=(0,),
)


def repetition(music: np.ndarray, seconds: float) -> float:
    """Correlation of the music with itself, that much later."""
    lag = round(seconds * SAMPLE_RATE)
    return float(np.corrcoef(music[:-lag], music[lag:])[0, 1])


@pytest.mark.parametrize(("tempo", "beats"), [(90.0, 4), (112.0, 4), (141.5, 3)])
def test_the_loop_comes_back_at_the_tempo(tempo: float, beats: int) -> None:
    music = render(dataclasses.replace(PIECE, tempo=tempo, beats=beats)).mean(axis=1)
    loop = round(60 / tempo / 4 * SAMPLE_RATE) * 4 * beats * BARS / SAMPLE_RATE
    assert loop == pytest.approx(beats * BARS * 60 / tempo, rel=1e-3)
    assert repetition(music, loop) > 0.99  # all but the hiss
    assert repetition(music, loop * 1.02) < 0.5


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("key", [0, 6, 11])
def test_the_notes_are_those_of_the_key(key: int, mode: int) -> None:
    piece = dataclasses.replace(PIECE, key=key, mode=mode, energy=0.0, brightness=-2.0)
    music = librosa.resample(
        render(piece).mean(axis=1), orig_sr=SAMPLE_RATE, target_sr=22_050, res_type="soxr_qq"
    )
    chroma = librosa.feature.chroma_stft(y=music, sr=22_050, n_fft=8192, norm=None).sum(axis=1)
    held = [chroma[[(tonic + step) % 12 for step in SCALES[mode]]].sum() for tonic in range(12)]
    assert int(np.argmax(held)) == key


def test_the_level_tells_nothing_of_the_cause() -> None:
    for brightness in (-2.5, 2.5):
        music = render(dataclasses.replace(PIECE, brightness=brightness))
        assert 20 * np.log10(music.std()) == pytest.approx(PIECE.loudness, abs=0.01)
        assert np.abs(music).max() < 1


def test_the_cause_moves_the_highs_only() -> None:
    def level(brightness: float, low: float, high: float) -> float:
        music = render(dataclasses.replace(PIECE, brightness=brightness)).mean(axis=1)
        power = np.abs(np.fft.rfft(music)) ** 2
        frequency = np.fft.rfftfreq(len(music), 1 / SAMPLE_RATE)
        return float(10 * np.log10(power[(frequency > low) & (frequency < high)].mean()))

    # Harmonics three octaves up gain 3 octaves x 3 dB a unit of cause, 36 dB over 4 units, where
    # nothing else sounds; drums and melody leave a floor.
    assert level(2, 2_000, 8_000) - level(-2, 2_000, 8_000) > 6
    assert level(2, 10_000, 16_000) - level(-2, 10_000, 16_000) < 1
