"""`ChromaTonnetz` keeps the contract, hears chords, and doesn't hear the key."""

import numpy as np
import pytest
import soundfile
from deephits_harmony import ChromaTonnetz

from deephits_keras import Track
from deephits_keras.testing import parametrize_with_checks

A4 = 440.0


@parametrize_with_checks([ChromaTonnetz()])
def test_it_keeps_the_contract(encoder, check):
    check(encoder)


@pytest.fixture
def chord(tmp_path):
    def extract(*semitones_above_a):
        times = np.arange(4 * 22_050) / 22_050
        tones = [np.sin(2 * np.pi * A4 * 2 ** (s / 12) * times) for s in semitones_above_a]
        path = tmp_path / f"{semitones_above_a}.wav"
        soundfile.write(path, 0.2 * sum(tones), 22_050)
        return ChromaTonnetz().extract(Track("chord", audio=path))

    return extract


def test_a_major_is_heard_as_a_c_sharp_and_e(chord):
    energy = chord(0, 4, 7)["chroma"].mean(axis=0)
    names = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
    assert {names[i] for i in np.argsort(energy)[-3:]} == {"A", "C#", "E"}


def test_the_branch_hears_a_chord_and_not_its_key(chord):
    import keras

    keras.utils.set_random_seed(0)
    encoder = ChromaTonnetz()
    inputs = {s.name: keras.Input(s.shape, name=s.name) for s in encoder.feature_specs}
    branch = keras.Model(inputs, encoder.build(inputs))

    def embedding(*semitones):
        return branch.predict({k: v[None] for k, v in chord(*semitones).items()}, verbose=0)[0]

    major, higher, minor = embedding(0, 4, 7), embedding(2, 6, 9), embedding(0, 3, 7)
    assert np.linalg.norm(major - higher) < 0.2 * np.linalg.norm(major - minor)
