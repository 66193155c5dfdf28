"""MP3s whose headers are wrong, or that are damaged: all that there is, in its place."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoding import mp3

from deephits_keras.audio.decoding import load_audio, load_windows, remarks_on
from deephits_keras.audio.errors import AudioError
from deephits_keras.audio.mp3 import Mp3, index_mp3

KINDS = {
    "constant": (44100, 2, "CONSTANT", 0.5),
    "average": (44100, 2, "AVERAGE", 0.6),
    "variable": (44100, 2, "VARIABLE", 0.5),
    "variable, mono": (48000, 1, "VARIABLE", 0.3),
    "variable, MPEG 2": (22050, 2, "VARIABLE", 0.5),
    "variable, MPEG 2.5": (11025, 1, "VARIABLE", 0.5),
}


def indexed(content: bytes) -> Mp3:
    index = index_mp3(content)
    assert index is not None
    return index


def without_tag(content: bytes) -> bytes:
    """What an encoder writes into a pipe: it can't go back and put the tag into the first frame."""
    assert b"Xing" in content[:200] or b"Info" in content[:200]
    return content[indexed(content).offsets[0] :]


def id3(size: int) -> bytes:
    """A tag with a picture of random bytes, which hold what looks like frames."""
    body = np.random.default_rng(1).bytes(size)
    places = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + places + body


@pytest.fixture(scope="module", params=KINDS)
def song(request: pytest.FixtureRequest) -> bytes:
    return mp3(*KINDS[request.param])


def decoded(content: bytes) -> tuple[np.ndarray, int]:
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)


def test_the_frames_hold_what_libsndfile_decodes(song: bytes) -> None:
    channels, rate = decoded(song)
    index = indexed(song)
    assert (index.rate, index.channels, index.samples) == (rate, *channels.shape[::-1])
    waveform = load_audio(song, rate)
    assert np.abs(waveform - channels.mean(axis=1)).max() < 1e-6


def test_without_a_tag_all_of_it_is_decoded_in_the_same_place(song: bytes) -> None:
    channels, rate = decoded(song)
    begins = indexed(song).begins
    waveform = load_audio(without_tag(song), rate)
    # What the tag would have taken off is there: the encoder's delay, the decoder's, and padding.
    assert len(waveform) - len(channels) in range(begins, begins + 3000)
    assert np.abs(waveform[begins : begins + len(channels)] - channels.mean(axis=1)).max() < 1e-6


def test_and_so_is_a_window(song: bytes) -> None:
    content = without_tag(song)
    whole = load_audio(content, 22050)
    (window,) = load_windows(content, 22050, 22050)
    start = (len(whole) - 22050) // 2
    assert np.abs(window - whole[start : start + 22050]).max() < 1e-6


@pytest.mark.parametrize("size", [20_000, 400_000])
def test_a_picture_in_front_changes_nothing(song: bytes, size: int) -> None:
    bare = without_tag(song)
    np.testing.assert_array_equal(load_audio(id3(size) + bare, 22050), load_audio(bare, 22050))
    np.testing.assert_array_equal(load_audio(id3(size) + song, 22050), load_audio(song, 22050))


def test_neither_does_other_junk_in_front_or_a_tag_behind(song: bytes) -> None:
    junk = np.random.default_rng(2).bytes(100_000)
    expected = load_audio(song, 22050)
    np.testing.assert_array_equal(load_audio(junk + song, 22050), expected)
    np.testing.assert_array_equal(load_audio(bytes(5000) + song, 22050), expected)
    np.testing.assert_array_equal(load_audio(song + b"TAG" + bytes(125), 22050), expected)


def test_a_truncated_one_gives_what_there_is_and_says_so(song: bytes, tmp_path: Path) -> None:
    whole, path = load_audio(song, 22050), tmp_path / "song.mp3"
    path.write_bytes(song[: len(song) * 6 // 10])
    waveform = load_audio(path, 22050)
    assert 0.4 * len(whole) < len(waveform) < 0.8 * len(whole)
    assert np.abs(waveform[:-2000] - whole[: len(waveform) - 2000]).max() < 1e-6
    (remark,) = remarks_on(path)
    assert remark.startswith("song.mp3 ends early: ")
    assert remark.endswith("of the 5.0 s that its header tells are there")
    assert not remarks_on(song)


def test_a_hole_in_the_middle_costs_no_more_than_itself(song: bytes) -> None:
    start, hole = len(song) // 2, 1000
    damaged = song[:start] + bytes(hole) + song[start + hole :]
    rate = indexed(song).rate
    whole, waveform = load_audio(song, rate), load_audio(damaged, rate)
    lost = len(whole) - len(waveform)
    assert 0 < lost < len(whole) * (hole + 3000) / len(song)
    part = len(whole) // 4
    assert np.abs(waveform[:part] - whole[:part]).max() < 1e-6
    assert np.abs(waveform[-part:] - whole[-part:]).max() < 1e-4
    (remark,) = remarks_on(damaged)
    assert "is damaged" in remark


def test_one_behind_the_other_both_are_decoded(song: bytes) -> None:
    single, double = load_audio(song, 22050), load_audio(song + song, 22050)
    assert len(double) > 1.99 * len(single)


def test_what_only_looks_like_a_frame_is_none() -> None:
    words = b"These are words, and then: \xff\xfb\x90\x00 " * 2000
    assert index_mp3(words) is None
    with pytest.raises(AudioError, match="can't be decoded"):
        load_audio(words, 22050)


def test_nothing_is_said_behind_our_back(capfd: pytest.CaptureFixture[str]) -> None:
    """libmpg123 writes to the standard error where a frame's data begin before the cut."""
    for kind in ((44100, 1, "CONSTANT", 0.99), (22050, 1, "CONSTANT", 0.99)):
        load_windows(mp3(*kind), 22050, 22050, count=4)
    assert capfd.readouterr().err == ""
