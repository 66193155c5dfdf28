"""The small inputs that were found to fail in public, where they lie beside the checkout."""

from __future__ import annotations

import io
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.audio import load_audio
from deephits_keras.corpus import ImportSummary, import_table, make_split
from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics
from deephits_keras.errors import UserError
from deephits_keras.prediction.tables import RejectedRow, TrackTable

ROOT = Path(__file__).parents[2]
CASES = next((c for p in ROOT.parents[:2] if (c := p / "shared" / "cases").is_dir()), ROOT / "none")

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases aren't here")


def imported(name: str, folder: Path, **options: Any) -> tuple[pd.DataFrame, ImportSummary]:
    summary = import_table(CASES / name, folder / "corpus", **options)
    return pd.read_parquet(folder / "corpus" / "tracks.parquet").set_index("track_id"), summary


DIALECTS: dict[str, dict[str, list[Any]]] = {
    "Caps.csv": {"popularity": [10, 90], "danceability": [0.5, 0.6], "loudness": [-5, -6]},
    "comment.csv": {"popularity": [10]},
    "deccomma.csv": {"popularity": [63.5, 20], "tempo": [120.1, 99]},
    "keyname.csv": {"key": [1, 1, 6], "mode": [1, 0, 0], "duration_ms": [200e3, 210e3, 210e3]},
    "mmss.csv": {"duration_ms": [200_000, 210_000]},
    "modetext.csv": {"mode": [1, 0]},
    "pct.csv": {"popularity": [63, 20]},
    "semi.csv": {"popularity": [63.5, 20], "tempo": [120.1, 99.9]},
    "sepline.csv": {"popularity": [10]},
    "tab.tsv": {"popularity": [63, 20], "title": ["Uno", "Tres"]},
    "thousand.csv": {"popularity": [63, 20], "duration_ms": [210_000, 180_500]},
    "utf16.csv": {"popularity": [10, 20], "title": ["Añil", "Two"]},
    "lines.jsonl": {"popularity": [10, 20]},
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_recognised(name: str, tmp_path: Path) -> None:
    found, _ = imported(f"table-dialects/{name}", tmp_path)
    for column, values in DIALECTS[name].items():
        assert found[column].tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("fma.csv", "use `deephits import fma`"),
        ("kag2023.csv", "--column popularity="),
        ("book.xlsx", "save it as CSV"),
    ],
)
def test_what_is_not_read_has_one_sentence_with_the_remedy(
    name: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(remedy)):
        imported(f"table-dialects/{name}", tmp_path)


def test_duplicates_that_disagree_are_counted(tmp_path: Path) -> None:
    found, summary = imported("duplicates-disagree/dupdiff.csv", tmp_path)
    assert found["popularity"].to_dict() == {"a": 0, "b": 20}
    assert any("1 row of a repeated track has another" in note for note in summary.notes)
    highest, _ = imported("duplicates-disagree/dupdiff.csv", tmp_path, duplicates="max")
    assert highest["popularity"].to_dict() == {"a": 78, "b": 20}


def test_an_unmatched_quote_rejects_what_it_swallowed(tmp_path: Path) -> None:
    try:
        found, summary = imported("unmatched-quote/quoteopen.csv", tmp_path)
    except UserError as error:
        told = str(error)
    else:
        assert found["popularity"].to_dict().items() <= {"e": 50, "f": 60}.items()
        assert summary.rejected
        told = (tmp_path / "corpus" / "rejected.csv").read_text()
    assert "quotation mark" in told


def test_lyrics_are_words_alone() -> None:
    folder = CASES / "lyrics-furniture"
    texts = pd.Series([(folder / f"{n}.txt").read_text() for n in ("clean", "genius", "lrc")])
    cleaned = [str(text).split() for text in clean_lyrics(texts, LyricsCleaning())]
    assert cleaned[0] == cleaned[1] == cleaned[2]


def test_a_table_of_lyrics_is_cleaned(tmp_path: Path) -> None:
    found, _ = imported("lyrics-furniture/listbig.csv", tmp_path)
    lyrics = found["lyrics"].dropna().to_dict()
    assert set(lyrics) & set("abcdef") == {"a", "d", "e"}
    assert lyrics["d"] == "Line one\nLine two"
    assert not re.search("Contributors|Embed|also like", " ".join(lyrics.values()))


@pytest.mark.parametrize(
    ("name", "told"),
    [("pop01.csv", "--popularity-scale 100"), ("const.csv", "there is nothing to learn")],
)
def test_odd_popularity_is_told_at_import(name: str, told: str, tmp_path: Path) -> None:
    _, summary = imported(f"one-tier/{name}", tmp_path)
    assert any(told in note for note in summary.notes)


@pytest.mark.parametrize("name", ["separators.csv", "case_and_spaces.csv", "objects.parquet"])
def test_no_artist_is_on_both_sides(name: str, tmp_path: Path) -> None:
    found, summary = imported(f"artist-leak/{name}", tmp_path)
    split = make_split("artist", summary.corpus, test=0.2)
    names = [set(keys) for keys in found["artist_keys"]]
    train = set().union(*(names[row] for row in split.parts["train"]))
    held = [row for part, rows in split.parts.items() if part != "train" for row in rows]
    assert not any(names[row] & train for row in held)
    assert all(names)


PARQUET = {
    "noid_list": 2,
    "noid_inttitle": 2,
    "map": 2,
    "bigid_gap": 3,
    "floatid": 2,
    "lyrics_list": 2,
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_of_every_type_is_read(name: str, tmp_path: Path) -> None:
    found, _ = imported(f"parquet-types/{name}.parquet", tmp_path)
    assert len(found) == PARQUET[name]
    ids = {"bigid_gap": "7123456789012345672", "floatid": "123456789"}
    assert ids.get(name, found.index[0]) in found.index
    if name == "lyrics_list":
        assert found["lyrics"].tolist() == ["la\nla", "x"]


TABLES = ("uri", "fma", "float", "blank", "case", "windows", "nfc")


@pytest.mark.parametrize("name", TABLES)
def test_recordings_are_found(name: str, tmp_path: Path) -> None:
    names = [
        "4uLU6hMCjMI75M1A2tKUQC",
        "a",
        "b",
        "123456789",
        "abc",
        "sub/a1",
        "000/000002",
        "000/000140",
    ]
    folder = tmp_path / "rec"
    if name == "nfc":
        names = [unicodedata.normalize("NFD", n) for n in ("Beyoncé - Déjà Vu", "Motörhead")]
    for each in names:
        (folder / f"{each}.mp3").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{each}.mp3").write_bytes(b"sound")
    found, summary = imported(f"recordings-not-found/{name}.csv", tmp_path, audio=folder)
    assert summary.with_audio == len(found)
    if name == "windows":
        assert found["audio"].str.endswith("sub/a1.mp3").all()


def test_a_link_out_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").mkdir()
    (tmp_path / "store" / "ab12.mp3").write_bytes(b"sound")
    (tmp_path / "link" / "a.mp3").symlink_to(tmp_path / "store" / "ab12.mp3")
    _, summary = imported("recordings-not-found/link.csv", tmp_path, audio=tmp_path / "link")
    assert any("links that lead out of the folder" in note for note in summary.audio_notes)


RATE = 44_100
QSCALE = 2
"""FFmpeg's flag for a variable bit rate by quality."""


class Pipe(io.RawIOBase):
    """A place to write to that can't be gone back in: the muxer leaves the Xing header out."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.content += bytes(data)
        return len(data)


def piped_mp3(song: np.ndarray[Any, Any], kind: str) -> bytes:
    """What `make.sh` of the case makes by `ffmpeg -f mp3 -`, by FFmpeg's libraries."""
    av = pytest.importorskip("av")
    pipe = Pipe()
    with av.open(pipe, "w", format="mp3") as output:
        stream: Any = output.add_stream("libmp3lame", rate=RATE, layout="stereo")
        encoder = stream.codec_context
        encoder.bit_rate = 128_000
        if kind == "abr":
            encoder.options = {"abr": "1"}
        if kind == "vbr":
            encoder.flags |= QSCALE
            encoder.global_quality = 4 * 118
        resampler = av.AudioResampler(encoder.format.name, "stereo", RATE, frame_size=1152)
        frame = av.AudioFrame.from_ndarray(song, "fltp", "stereo")
        frame.sample_rate = RATE
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return pipe.content


@pytest.mark.parametrize("kind", ["vbr", "abr", "cbr"])
def test_an_mp3_from_a_pipe_is_decoded_to_its_end(kind: str) -> None:
    seconds = 30
    time = np.arange(seconds * RATE) / RATE
    # A tone that rises from second to second, so that each second is known by its pitch, and noise,
    # which makes the bit rate vary.
    pitches = 220 + 40 * np.floor(time)
    noise = np.random.default_rng(1).standard_normal(len(time)) * (time % 7 < 3)
    mono = 0.4 * np.sin(2 * np.pi * np.cumsum(pitches) / RATE) + 0.02 * noise
    content = piped_mp3(np.stack([mono, mono]).astype(np.float32), kind)
    assert b"Xing" not in content
    assert b"Info" not in content
    waveform = load_audio(content, RATE)
    # An encoder's delay and padding, which only a header tells, stay.
    assert 0 <= len(waveform) - len(mono) < 4000
    for second in range(seconds):
        part = waveform[second * RATE + 5000 : second * RATE + 5000 + RATE // 2]
        loudest = np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * 2
        assert loudest == pytest.approx(220 + 40 * second, abs=3)


def test_a_row_is_the_same_song_in_predict(tmp_path: Path) -> None:
    shutil.copy(CASES / "serve-skew" / "songs.csv", tmp_path)
    columns = {"popularity": "hotness", "artist_popularity": "artist_hotness"}
    found, summary = imported("serve-skew/songs.csv", tmp_path, columns=columns)
    corpus = summary.corpus
    trained = corpus.tracks(range(len(corpus)))
    served = list(TrackTable(tmp_path / "songs.csv", reading=corpus.reading))
    assert len(trained) == len(served) == len(found) == 160
    for one, other in zip(trained, served, strict=True):
        assert not isinstance(other, RejectedRow)
        assert (one.id, one.lyrics) == (other.id, other.lyrics)
        known = {n: v for n, v in one.fields.items() if v is not None and v == v}
        assert known == {n: v for n, v in other.fields.items() if n in known}
