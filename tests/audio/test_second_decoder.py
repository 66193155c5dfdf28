"""What libsndfile refuses: by PyAV, or a reason in plain words."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoding import encoded, mp3, music, with_av

from deephits_keras.audio import libav
from deephits_keras.audio.decoding import load_audio, load_windows, remarks_on
from deephits_keras.audio.errors import AudioError

BOTH = {
    "MP3": lambda: mp3(44100, 2, "VARIABLE", 0.5),
    "Vorbis": lambda: encoded("OGG", "VORBIS", 44100, 2),
    "Opus": lambda: encoded("OGG", "OPUS", 48000, 2),
    "FLAC": lambda: encoded("FLAC", "PCM_16", 44100, 2),
    "WAV": lambda: encoded("WAV", "PCM_24", 44100, 2),
    "AIFF": lambda: encoded("AIFF", "PCM_16", 44100, 2),
}
SECOND = {
    "an M4A": ("ipod", "aac", 44100),
    "an MP4": ("mp4", "aac", 48000),
    "an AAC": ("adts", "aac", 44100),
    "a WebM or Matroska": ("webm", "libopus", 48000),
    "a WMA or another file of Windows Media": ("asf", "wmav2", 44100),
}


@pytest.mark.parametrize("name", BOTH)
def test_the_decoders_agree_on_what_both_read(name: str) -> None:
    pytest.importorskip("av")
    content = BOTH[name]()
    expected, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    recording = libav.decode_with_av(content, "song")
    assert (recording.rate, recording.samples) == (rate, len(expected))
    # Measured: 3e-6 for MP3, 3e-7 for Vorbis and Opus, 0 for the others.
    decoded = np.concatenate([b.copy() for b in recording.blocks(0, recording.samples)])
    assert np.abs(decoded - expected).max() < 1e-5


@pytest.mark.parametrize("kind", SECOND)
def test_what_libsndfile_does_not_read_is_decoded(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    container, codec, rate = SECOND[kind]
    path = tmp_path / "song.mp3"
    path.write_bytes(with_av(container, codec, rate, music(rate, 5.0)))
    original = load_audio(_wav(music(rate, 5.0), rate), 22050)
    waveform = load_audio(path, 22050)
    assert abs(len(waveform) - len(original)) < 3000
    # The codec loses the hiss and may come late by its delay.
    late = np.argmax(np.correlate(waveform[2000:40000], original[4000:20000]))
    assert abs(int(late) - 2000) < 1200
    assert remarks_on(path) == ("song.mp3 is decoded by PyAV, as libsndfile doesn't read it",)
    (window,) = load_windows(path, 22050, 22050)
    start = (len(waveform) - 22050) // 2
    assert np.abs(window - waveform[start : start + 22050]).max() < 1e-6


def _wav(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize(("subtype", "rate"), [("VORBIS", 44100), ("OPUS", 48000)])
def test_chained_ogg_is_decoded_to_its_last_link(subtype: str, rate: int) -> None:
    pytest.importorskip("av")
    links = [encoded("OGG", subtype, rate, 2, seconds) for seconds in (2.0, 3.0)]
    assert len(load_audio(b"".join(links), rate)) == pytest.approx(5 * rate, rel=0.01)
    # The links may share a number, as copies do.
    assert len(load_audio(2 * links[0], rate)) == pytest.approx(4 * rate, rel=0.02)


def test_what_is_no_recording_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"hello world" * 100)
    with pytest.raises(AudioError, match=r"song\.mp3 can't be decoded: it doesn't begin as a rec"):
        load_audio(path, 22050)


def test_a_hole_in_a_flac_costs_no_more_than_itself() -> None:
    pytest.importorskip("av")
    whole = encoded("FLAC", "PCM_16", 44100, 2)
    damaged = bytearray(whole)
    middle = len(whole) // 2
    damaged[middle : middle + 2000] = bytes(2000)
    assert len(load_audio(bytes(damaged), 44100)) > 0.9 * 5 * 44100


def test_a_truncated_flac_gives_what_there_is() -> None:
    whole = encoded("FLAC", "PCM_16", 44100, 2)
    expected = load_audio(whole, 44100)
    waveform = load_audio(whole[: len(whole) // 2], 44100)
    assert 0.4 * len(expected) < len(waveform) < 0.6 * len(expected)
    np.testing.assert_allclose(waveform, expected[: len(waveform)], atol=1e-7)
    (remark,) = remarks_on(whole[: len(whole) // 2])
    assert "decoded up to" in remark


def test_a_flac_that_was_written_into_a_pipe_does_not_tell_its_length() -> None:
    content = bytearray(encoded("FLAC", "PCM_16", 44100, 2))
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    assert len(load_audio(bytes(content), 44100)) == 5 * 44100


@pytest.mark.parametrize("format", ["WAV", "OGG"])
def test_what_ends_early_is_remarked(format: str) -> None:
    subtype = {"WAV": "PCM_16", "OGG": "VORBIS"}[format]
    whole = encoded(format, subtype, 44100, 2)
    assert not remarks_on(whole)
    (remark,) = remarks_on(whole[: len(whole) * 6 // 10])
    assert "ends early" in remark


REASONS = [
    (b"<!DOCTYPE html><html><body>Not found</body></html>", "is an HTML page and not a recording"),
    (b'  {"error": {"status": 401}}', "is JSON and not a recording"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
    (b"/annex/objects/SHA256E-s1--0.mp3\n", "git annex get"),
    (b"#EXTM3U\nhttp://example.org/a.mp3", "is a playlist and not a recording"),
    (b"MThd\0\0\0\6\0\1\0\1", "holds notes and no sound"),
    (b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
    (bytes(4000), "can't be decoded"),
    (b"", "is empty"),
    (b"Words and no music. " * 200, "can't be decoded"),
]


@pytest.mark.parametrize(("content", "reason"), REASONS)
def test_what_is_no_recording_says_what_it_is(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"^song\.mp3 .*{reason}"):
        load_audio(path, 22050)


def test_without_pyav_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libav, "is_installed", lambda: False)
    head = b"\0\0\0\x1cftypM4A \0\0\2\0" + bytes(1000)
    with pytest.raises(AudioError, match=r"is an M4A, .*pip install 'deephits-keras\[av\]'"):
        load_audio(head, 22050)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    """FFmpeg would open the files that an HLS list names."""
    pytest.importorskip("av")
    (tmp_path / "other.aac").write_bytes(with_av("adts", "aac", 44100, music(44100, 1.0)))
    lines = f"\n#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{tmp_path / 'other.aac'}\n"
    from deephits_keras.audio.recording import UndecodableError

    with pytest.raises(UndecodableError):
        libav.decode_with_av(lines.encode(), "song")


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((44100, 2)), "is silent"),
        (music(44100, 1.0) * 32768, "is out of range: its samples reach"),
        (music(44100, 1.0) @ np.array([[1, -1], [0, 0]]), "cancel each other out"),
        (np.full((44100, 2), np.nan), "aren't finite"),
        (music(44100, 0.02), "holds no sound"),
    ],
)
def test_what_says_nothing_is_refused(samples: np.ndarray, reason: str) -> None:
    content = _wav(samples.astype(np.float32), 44100)
    with pytest.raises(AudioError, match=reason):
        load_audio(content, 22050)
    with pytest.raises(AudioError, match=reason):
        load_windows(content, 22050, 5000)


def test_what_is_too_long_is_told_with_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 2000, 1, subtype="PCM_U8") as file:
        file.write(np.ones(2000 * 3600 * 6 + 4000, np.float32))
    with pytest.raises(AudioError, match=r"long\.wav is 6:00:02 long, more than 6 hours"):
        load_windows(path, 2000, 2000)


@pytest.mark.parametrize(
    "format", [("W64", "PCM_16"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16")]
)
def test_a_truncated_file_of_samples_is_remarked(format: tuple[str, str], tmp_path: Path) -> None:
    content = encoded(*format, 32000, 2)
    whole, half = tmp_path / "whole.snd", tmp_path / "half.snd"
    whole.write_bytes(content)
    half.write_bytes(content[: len(content) // 2])
    assert remarks_on(whole) == ()
    assert "ends early" in remarks_on(half)[0]
    assert len(load_audio(half, 32000)) < 0.6 * len(load_audio(whole, 32000))


@pytest.mark.parametrize("ending", ["au", "snd", "vox"])
def test_what_only_ends_as_a_recording_is_none(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"song.{ending}"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    with pytest.raises(AudioError, match="doesn't begin as a recording"):
        load_audio(path, 22050)


def test_a_hole_in_a_flac_is_remarked() -> None:
    content = encoded("FLAC", "PCM_16", 44100, 2)
    hole = content[: len(content) // 2] + bytes(20_000) + content[len(content) // 2 + 20_000 :]
    assert remarks_on(content) == ()
    assert remarks_on(hole)
