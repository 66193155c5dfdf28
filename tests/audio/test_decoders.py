"""Both decoders, on recordings encoded on the spot."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from deephits_keras.audio.decoding import DECODERS, load_audio, remarks_on
from deephits_keras.audio.errors import AudioError
from deephits_keras.errors import UserError

FORMATS = [
    ("MP3", "MPEG_LAYER_III", 44100, 2),
    ("MP3", "MPEG_LAYER_III", 48000, 1),
    ("MP3", "MPEG_LAYER_III", 22050, 1),
    ("MP3", "MPEG_LAYER_III", 11025, 2),
    ("OGG", "VORBIS", 44100, 2),
    ("OGG", "VORBIS", 96000, 1),
    ("FLAC", "PCM_16", 48000, 2),
    ("FLAC", "PCM_24", 96000, 1),
    ("WAV", "PCM_16", 44100, 2),
    ("WAV", "PCM_24", 44100, 1),
    ("WAV", "FLOAT", 22050, 2),
]
"""Format, subtype, sample rate in Hz, channels."""

needs_tfio = pytest.mark.tfio


def sound(rate: int, channels: int, noise: float) -> np.ndarray:
    time = np.arange(2 * rate) / rate
    hiss = np.random.default_rng(0).standard_normal(len(time))
    left = 0.4 * np.sin(2 * np.pi * 220 * time) + noise * hiss
    right = 0.3 * np.sin(2 * np.pi * 990 * time)
    return np.stack([left, right], axis=1)[:, :channels].astype(np.float32)


def encoded(format: str, subtype: str, rate: int, channels: int, noise: float = 0.05) -> bytes:
    file = io.BytesIO()
    samples = sound(rate, channels, noise)
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(("format", "subtype", "rate", "channels"), FORMATS)
def test_a_recording_is_loaded_as_librosa_loads_it(
    format: str, subtype: str, rate: int, channels: int, tmp_path: Path
) -> None:
    path = tmp_path / "song"
    path.write_bytes(encoded(format, subtype, rate, channels))
    waveform = load_audio(path, 22050)
    expected, _ = librosa.load(path, sr=22050)
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, expected, atol=1e-6)
    np.testing.assert_array_equal(waveform, load_audio(path.read_bytes(), 22050))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"These are words and no music. " * 40, "can't be decoded"),
        (encoded("MP3", "MPEG_LAYER_III", 44100, 1)[:300], "can't be decoded|no sound"),
    ],
)
def test_what_is_no_recording_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"song\.mp3.*({message})"):
        load_audio(path, 22050)


def test_a_recording_cut_short_gives_what_there_is() -> None:
    whole = encoded("MP3", "MPEG_LAYER_III", 44100, 1)
    assert 0 < len(load_audio(whole[: len(whole) // 2], 22050)) < len(load_audio(whole, 22050))


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.full(22050, np.nan, np.float32), 22050, subtype="FLOAT")
    with pytest.raises(AudioError, match="aren't finite"):
        load_audio(path, 22050)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"none\.mp3 can't be opened"):
        load_audio(tmp_path / "none.mp3", 22050)


def test_an_unknown_decoder_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="soundfile, tensorflow-io"):
        load_audio(b"", 22050, decoder="ffmpeg")


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is not None, reason="tensorflow-io is installed"
)
def test_without_tensorflow_io_its_decoder_says_what_to_install() -> None:
    with pytest.raises(UserError, match=r"deephits-keras\[tfio\]"):
        load_audio(encoded("WAV", "PCM_16", 22050, 1), 22050, decoder="tensorflow-io")


DECODER_TOLERANCE = 1e-5
"""Of full scale. Measured: 1.5e-6 for MP3 (mpg123 and minimp3), 3e-7 for Vorbis, 0 otherwise."""


@needs_tfio
@pytest.mark.parametrize(("format", "subtype", "rate", "channels"), FORMATS)
def test_the_decoders_agree(format: str, subtype: str, rate: int, channels: int) -> None:
    content = encoded(format, subtype, rate, channels)
    expected = load_audio(content, rate)
    decoded = load_audio(content, rate, decoder="tensorflow-io")
    assert decoded.dtype == np.float32
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).max() <= DECODER_TOLERANCE


@needs_tfio
@pytest.mark.parametrize("content", [b"", b"Words and no music. " * 40, b"OggS" * 300, b"fLaC"])
def test_in_the_graph_what_is_no_recording_is_refused(content: bytes) -> None:
    with pytest.raises(AudioError, match="the recording"):
        load_audio(content, 22050, decoder="tensorflow-io")


@needs_tfio
@pytest.mark.parametrize(("format", "subtype", "rate", "channels"), FORMATS[::2])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_in_the_graph_a_recording_cut_short_gives_what_there_is_or_says_why_not(
    share: float, format: str, subtype: str, rate: int, channels: int
) -> None:
    whole = encoded(format, subtype, rate, channels)
    cut = whole[: int(len(whole) * share)]
    first = load_audio(cut, rate)
    assert remarks_on(cut)
    if format != "OGG":
        told = "the recording (ends early|is damaged).* the decoder soundfile reads what there is"
        with pytest.raises(AudioError, match=told):
            load_audio(cut, rate, decoder="tensorflow-io")
        return
    np.testing.assert_allclose(
        load_audio(cut, rate, decoder="tensorflow-io"), first, atol=DECODER_TOLERANCE
    )
    assert remarks_on(cut, decoder="tensorflow-io") == remarks_on(cut)
    assert remarks_on(whole, decoder="tensorflow-io") == ()


@needs_tfio
def test_an_mp3_behind_a_tag_keeps_its_rate() -> None:
    body = encoded("MP3", "MPEG_LAYER_III", 48000, 1)
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 2, 0]) + b"\xff\xfb\x10" + bytes(253)
    np.testing.assert_allclose(
        load_audio(tag + body, 22050, decoder="tensorflow-io"),
        load_audio(tag + body, 22050),
        atol=DECODER_TOLERANCE,
    )


@needs_tfio
def test_a_pipeline_can_begin_with_encoded_bytes() -> None:
    import tensorflow as tf

    from deephits_keras.audio.graph import decode_waveform

    songs = [encoded(*format, noise=0.0) for format in FORMATS]
    dataset = tf.data.Dataset.from_tensor_slices(songs).map(lambda c: decode_waveform(c, 22050))
    waveforms = list(dataset.as_numpy_iterator())
    assert len(waveforms) == len(songs)
    for waveform, song in zip(waveforms, songs, strict=True):
        expected = load_audio(song, 22050)
        assert abs(len(waveform) - len(expected)) <= 1
        # Where the tones begin and end they hold every frequency, which the filters cut unlike.
        middle = slice(300, len(expected) - 300)
        assert np.abs(waveform[middle] - expected[middle]).max() < 0.01


@needs_tfio
def test_the_mel_encoder_gives_the_same_features_from_either_decoder(tmp_path: Path) -> None:
    from deephits_plugins.mel_cnn import MelCNN

    from deephits_keras.tracks import Track

    path = tmp_path / "song.mp3"
    path.write_bytes(encoded("MP3", "MPEG_LAYER_III", 44100, 2))
    by_decoder = [
        MelCNN.from_config({"decoder": decoder, "frames": 64}).extract(Track("song", audio=path))
        for decoder in DECODERS
    ]
    assert all(by_decoder)
    first, second = (features["log_mel"].astype(np.float32) for features in by_decoder)
    # float16 storage alone rounds values of up to 128 dB by 0.03 dB, each way.
    np.testing.assert_allclose(first, second, atol=0.0625)
