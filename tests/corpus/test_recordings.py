"""Recordings are found by track however ids and files are written, or it is said why not."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deephits_keras.corpus import Corpus
from deephits_keras.corpus.importing import import_table
from deephits_keras.corpus.recordings import find_audio, loose_name

SPOTIFY = "4uLU6hMCjMI75M1A2tKUQC"


def folder_of(root: Path, *names: str) -> Path:
    """A folder of files that hold something, or nothing if their name says so."""
    folder = root / "recordings"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"" if "empty" in name else b"sound")
    return folder


@pytest.mark.parametrize(
    ("track_id", "file"),
    [
        (f"spotify:track:{SPOTIFY}", f"{SPOTIFY}.mp3"),
        (f"https://open.spotify.com/track/{SPOTIFY}?si=0f", f"track_{SPOTIFY}.mp3"),
        (f"https://open.spotify.com/intl-de/track/{SPOTIFY}", f"{SPOTIFY}.mp3"),
        ("2", "000/000002.mp3"),
        ("140.0", "000/000140.mp3"),
        ("000140", "140.opus"),
        (" a ", "a.mp3"),
        ("ABC", "abc.MP3"),
        ("Beyoncé", unicodedata.normalize("NFD", "Beyoncé.flac")),
        (unicodedata.normalize("NFD", "Motörhead"), "Motörhead.flac"),
        ("a", "deep/er/a.m4a"),
        ("a", "a.webm"),
        ("a", "a.w64"),
        ("2", "2.mp3"),
    ],
)
def test_it_is_found(track_id: str, file: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, file, "other.mp3")
    assert dict(find_audio(folder, [track_id, "none"])) == {track_id: folder / file}


def test_a_file_that_may_be_two_tracks_is_no_ones(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "abc.mp3", "7.mp3")
    assert not dict(find_audio(folder, ["Abc", "ABC"]))
    # Called just so counts first.
    assert dict(find_audio(folder, ["abc", "ABC", "7", "07"])) == {
        "abc": folder / "abc.mp3",
        "7": folder / "7.mp3",
    }


def test_a_track_that_two_files_may_be_has_none(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "07.mp3", "007.mp3")
    assert not dict(find_audio(folder, ["7"]))
    assert dict(find_audio(folder, ["07"])) == {"07": folder / "07.mp3"}
    (tmp_path / "songs.csv").write_text("track_id,popularity\n7,10\n")
    notes = import_table(tmp_path / "songs.csv", tmp_path / "corpus", audio=folder).audio_notes
    assert "a track has no recording where several fit alike, as 7 has 007.mp3 and 07.mp3" in notes


def test_an_empty_file_never_beats_a_good_one(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a/empty.mp3", "b/empty.ogg", "c/good.mp3")
    (folder / "b" / "empty.ogg").write_bytes(b"sound")
    assert dict(find_audio(folder, ["empty"])) == {"empty": folder / "b" / "empty.ogg"}
    # Alone it is the track's: extraction says that it is empty.
    assert list(dict(find_audio(folder_of(tmp_path / "x", "empty.mp3"), ["empty"]))) == ["empty"]


def test_names_that_are_no_numbers_keep_their_zeros() -> None:
    assert loose_name("007") == "7"
    assert loose_name("0") == loose_name("000") == "0"
    assert loose_name("00A1") == "00a1"
    assert loose_name("1.5") == "1.5"


def imported(tmp_path: Path, table: str, folder: Path) -> Any:
    (tmp_path / "songs.csv").write_text(table)
    return import_table(tmp_path / "songs.csv", tmp_path / "corpus", audio=folder)


def audio_of(corpus: Corpus) -> dict[str, str | None]:
    return {t.id: t.audio.name if t.audio else None for t in corpus.tracks(range(len(corpus)))}


def test_a_path_that_is_named_never_falls_back(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.mp3", "b.mp3", "sub/a1.mp3")
    table = "track_id,popularity,audio\na,10,sub/gone.mp3\nb,20,\nc,30,sub\\a1.mp3\n"
    summary = imported(tmp_path, table, folder)
    assert audio_of(summary.corpus) == {"a": None, "b": "b.mp3", "c": "a1.mp3"}
    assert any("1 track names a recording that isn't" in note for note in summary.audio_notes)
    assert any("sub/gone.mp3" in note for note in summary.audio_notes)


def test_why_nothing_was_found_is_said_with_examples(
    tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    folder = folder_of(tmp_path, "Artist - Song.mp3", "Artist - Other.mp3", "cover.jpg")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "x.mp3").write_bytes(b"sound")
    (folder / "t1.mp3").symlink_to(tmp_path / "store" / "x.mp3")
    (tmp_path / "songs.csv").write_text("track_id,popularity\nt1,10\nt2,20\n")
    done = deephits("import", "table", tmp_path / "songs.csv", tmp_path / "c", "--audio", folder)
    assert done.code == 0
    assert "with a recording  0 (without: 2)" in done.out
    assert "2 of 3 recordings are called after no track, or after several, as Artist - " in done.out
    assert "1 of 3 recordings are links that lead out of the folder, as t1.mp3" in done.out
    assert "a track's recording is named after its id, for example t1" in done.out


def test_a_folder_without_recordings_says_what_it_looked_for(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "t1.txt")
    summary = imported(tmp_path, "track_id,popularity\nt1,10\n", folder)
    (note,) = summary.audio_notes
    assert "holds no recording (files that end in .3gp" in note


def test_names_that_no_file_can_have_end_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.mp3")
    for name, target in (("circle.mp3", "back.mp3"), ("back.mp3", "circle.mp3")):
        (folder / name).symlink_to(folder / target)
    address = f"https://cdn.example/{'x' * 300}.mp3"
    table = tmp_path / "songs.csv"
    table.write_text(
        f"track_id,popularity,audio\na,1,a.mp3\nb,2,{address}\nc,3,circle.mp3\nd,4,nul\0.mp3\n"
    )
    done = import_table(table, tmp_path / "corpus", audio=folder)
    assert (done.with_audio, len(done.corpus)) == (1, 4)
    assert f"3 tracks name a recording that isn't in {folder}, as {address}" in done.audio_notes
    table.write_text("track_id,popularity\na,1\ncircle,2\n")
    again = import_table(table, tmp_path / "by-name", audio=folder)
    assert (again.with_audio, len(again.corpus)) == (1, 2)
