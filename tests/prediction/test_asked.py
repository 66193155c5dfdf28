"""A song as a user names it: what can't be, or isn't read, is told before a model sees it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.bert_lyrics import BertLyrics
from deephits_plugins.mel_cnn import MelCNN
from deephits_plugins.numeric import Numeric, NumericConfig
from plain_model import PlainModel

from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.corpus.values import STANDARD, clean_rows
from deephits_keras.encoders.contract import ModalityEncoder
from deephits_keras.encoders.inputs import Input
from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import (
    asked_track,
    reading_of,
    require_extractable,
    require_read,
    require_recording,
)
from deephits_keras.prediction.plan import common_cleaning
from deephits_keras.prediction.tables import RejectedRow, TrackTable
from deephits_keras.runs.run import Run
from deephits_keras.tracks import Track

COVER = (Input("cover", "file", (".png",)), Input("review", "text"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "songs").mkdir()
    for name in ("secret.mp3", "songs/a.mp3", "songs/front.png"):
        (tmp_path / name).write_bytes(b"\0")
    (tmp_path / "songs/words.txt").write_text("\ufeffla la", encoding="utf-8")
    return tmp_path / "songs"


def test_a_song_is_called_after_its_first_file(folder: Path) -> None:
    track = asked_track(
        audio=folder / "a.mp3", lyrics=folder / "words.txt", fields={"tempo": "99", "genre": "pop"}
    )
    assert (track.id, track.audio, track.lyrics) == ("a", folder / "a.mp3", "la la")
    assert track.fields == {"tempo": 99.0, "genre": "pop"}
    named = asked_track(inputs={"audio": folder / "a.mp3", "lyrics": folder / "words.txt"})
    assert (named.audio, named.lyrics) == (track.audio, track.lyrics)


def test_lyrics_given_as_a_field_are_cleaned_as_a_text(folder: Path) -> None:
    (folder / "words.txt").write_text("[Chorus]\nla &amp; la\n", encoding="utf-8")
    text = asked_track(lyrics=folder / "words.txt")
    field = asked_track(fields={"lyrics": "[Chorus]\nla &amp; la\n", "tempo": "99"})
    assert (field.texts, field.fields) == (text.texts, {"tempo": 99.0})
    assert asked_track(fields={"lyrics": "-99"}).texts == {}
    assert asked_track(fields={"lyrics": None}).texts == {}
    with pytest.raises(UserError, match="given twice: as a text and as a field"):
        asked_track(lyrics=folder / "words.txt", fields={"lyrics": "la"})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"audio": Path("none.mp3")}, "no file none.mp3"),
        ({"lyrics": Path("none.txt")}, "no file none.txt"),
        ({"lyrics": Path("songs/front.bin")}, "isn't there|not UTF-8"),
        ({"inputs": {"lyric": Path("words.txt")}}, r"called 'lyric' \(did you mean lyrics\?\)"),
        ({"fields": {"artist_popularity": "300"}}, "artist_popularity is not from 0 to 100: 300"),
        ({"fields": {"key": "1.5"}}, "key is not a whole number: 1.5"),
        ({"fields": {"energy": "loud"}}, "energy is not a number from 0 to 1: loud"),
    ],
)
def test_what_can_not_be_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, asked: Any, message: str
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("songs/front.bin").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=message):
        asked_track(**asked)


def test_values_are_those_of_import() -> None:
    for name, column in STANDARD.items():
        for value in (column.low, column.high, column.low - 1, column.high + 1, 0.5, "x", "n/a"):
            row = pd.DataFrame({"popularity": [1.0]} | {name: [value]})
            imported = clean_rows(row, required=False)
            if len(imported.problems):
                told = re.escape(imported.problems["reason"].iloc[0])
                with pytest.raises(UserError, match=told):
                    asked_track(fields={name: value})
                continue
            asked = asked_track(fields={name: value}).fields.get(name, float("nan"))
            np.testing.assert_array_equal(asked, imported.rows[name].iloc[0])


def test_a_field_that_no_encoder_reads_is_refused_with_what_is_alike() -> None:
    encoders = [MelCNN(), Numeric(NumericConfig(columns=("energy", "tempo")))]
    assert require_read(Track("t", fields={"energy": 0.8}), encoders) == []
    # A song may have a standard column that this run does without.
    assert require_read(Track("t", fields={"energy": 0.8, "valence": 1}), encoders) == ["valence"]
    other = Track("t", files={"audio": Path("a.mp3")}, texts={"lyrics": "la"})
    assert require_read(other, encoders) == ["lyrics"]
    assert require_read(other, encoders[1:]) == ["audio", "lyrics"]
    with pytest.raises(UserError, match=r"'enrgy' \(did you mean energy\?\).*: energy, tempo$"):
        require_read(Track("t", fields={"enrgy": 0.8}), encoders)

    class Undeclared(Numeric):
        inputs = ModalityEncoder.inputs

    require_read(Track("t", fields={"enrgy": 0.8}), [*encoders, Undeclared()])


# === Tables ===


def write(folder: Path, table: str) -> Path:
    (folder / "songs.csv").write_text(table)
    return folder / "songs.csv"


def test_a_table_names_files_texts_and_fields(folder: Path) -> None:
    table = write(folder, "track_id,audio,cover,review,tempo\nx,a.mp3,front.png,12,90\ny,,,,\n")
    with_cover, bare = TrackTable(table, inputs=COVER)
    resolved = folder.resolve()
    assert with_cover.files == {"audio": resolved / "a.mp3", "cover": resolved / "front.png"}
    assert (with_cover.texts, with_cover.fields) == ({"review": "12"}, {"tempo": 90})
    assert (bare.files, bare.texts, bare.fields) == ({}, {}, {})
    assert next(iter(TrackTable(table))).fields["cover"] == "front.png"
    named = write(folder, "audio\nsongs/a.mp3\n")
    assert next(iter(TrackTable(named, {"audio": folder.parent}))).audio == resolved / "a.mp3"


@pytest.mark.parametrize("name", ["audio", "cover"])
@pytest.mark.parametrize("path", ["../secret.mp3", "/etc/passwd", "link.mp3"])
def test_a_path_in_a_table_that_leaves_its_folder_rejects_its_row(
    folder: Path, name: str, path: str
) -> None:
    (folder / "link.mp3").symlink_to(folder.parent / "secret.mp3")
    table = write(folder, f"track_id,{name}\nx,{path}\ny,\n")
    escaping, other = TrackTable(table, inputs=COVER)
    assert isinstance(escaping, RejectedRow)
    assert escaping.reason.startswith(f"its {name} leads out of")
    assert isinstance(other, Track)


def test_one_bad_row_is_a_rejected_row(folder: Path) -> None:
    table = write(folder, "track_id,energy\nx,80\ny,0.8\n")
    bad, good = TrackTable(table)
    assert bad == RejectedRow("x", "energy is not from 0 to 1: 80")
    assert good.fields == {"energy": 0.8}


def test_every_row_of_a_table_has_an_answer_in_its_place(folder: Path) -> None:
    lines = ["x,0.1,A", ",,", "y,0.2,B", ",,", ",,", "z,0.3,C", "w,1,2,3,4", ",,"]
    rows = list(TrackTable(write(folder, "track_id,energy,title\n" + "\n".join(lines))))
    assert [row.id if isinstance(row, Track) else row.track_id for row in rows] == [
        *("x", "row 1", "y", "row 3", "row 4", "z", "line 8"),
    ]
    assert rows[1] == RejectedRow("row 1", "the row is blank")
    assert rows[-1] == RejectedRow("line 8", "expected 3 fields, saw 5")


def test_a_row_of_another_encoding_has_an_answer_in_its_place(folder: Path) -> None:
    lines = ["x,é", "y,\udcff", "z,è"]
    text = "track_id,title\n" + "\n".join(lines)
    (folder / "songs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    first, damaged, last = TrackTable(folder / "songs.csv")
    assert isinstance(first, Track)
    assert damaged == RejectedRow("row 1", "row 2: a byte that isn't UTF-8")
    assert isinstance(last, Track)
    assert last.fields["title"] == "è"


def test_a_row_of_another_encoding_at_the_end_has_an_answer(folder: Path) -> None:
    text = "track_id,title\nx,é\nz,é\n,\ny,\udcff\n"
    (folder / "songs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    _, second, *others = TrackTable(folder / "songs.csv")
    assert isinstance(second, Track)
    assert others == [
        RejectedRow("row 2", "the row is blank"),
        RejectedRow("row 3", "row 4: a byte that isn't UTF-8"),
    ]


def test_a_unit_of_the_corpus_counts_for_its_own_column_alone(folder: Path) -> None:
    reading = {"columns": {"duration_ms": "length"}, "factors": {"duration_ms": 1e3, "energy": 1.0}}
    same = write(folder, "track_id,length,energy\nx,200,80\ny,100000,0.5\n")
    first, second = TrackTable(same, reading=reading)
    assert first == RejectedRow("x", "energy is not from 0 to 1: 80")
    assert second == RejectedRow(
        "y",
        "duration_ms is not from 1000 to 86400000: 100000 (100000000 after multiplication by 1000)",
    )
    other = write(folder, "track_id,duration_ms\nx,200000\n")
    assert next(iter(TrackTable(other, reading=reading))).fields == {"duration_ms": 200_000}


def test_a_date_gives_the_year_that_an_encoder_reads() -> None:
    track = asked_track(fields={"release_date": "14-06-2019", "tempo": 120})
    assert track.fields["release_year"] == 2019
    assert require_read(track, [Numeric(NumericConfig())]) == []


def test_lyrics_are_cleaned_as_those_of_the_training(folder: Path) -> None:
    (folder / "words.txt").write_text("[Chorus]\nla la", encoding="utf-8")
    kept = LyricsCleaning(keep_sections=True)
    assert asked_track(lyrics=folder / "words.txt", cleaning=kept).lyrics == "[Chorus]\nla la"
    assert asked_track(lyrics=folder / "words.txt").lyrics == "la la"


def test_what_every_row_lacks_is_said_once(folder: Path) -> None:
    read = [Input("tempo", "field"), Input("energy", "field")]
    table = TrackTable(write(folder, "track_id,Tempo\nx,90\ny,91\n"), inputs=read)
    assert len(list(table)) == 2
    assert table.notes == ["Tempo is taken for tempo", "no row has a value of energy"]


def test_a_folder_of_files_that_nobody_reads_is_refused(folder: Path) -> None:
    table = write(folder, "audio\na.mp3\n")
    with pytest.raises(UserError, match=r"--input-dir cover: .* Files that are read: audio"):
        TrackTable(table, {"cover": folder})


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        ({"lyrics": 2.0}, "lyrics must be names with values. Received: 2.0"),
        ({"lyrics": {"odd": 1}}, "lyrics has no 'odd'"),
        ({"factors": {"tempo": "x"}}, "factors.tempo must be a number"),
        (3.0, "it must be names with values"),
    ],
)
def test_a_damaged_reading_is_named(reading: Any, said: str, tmp_path: Path) -> None:
    model = PlainModel({"meta": Numeric()}, tmp_path)
    model.config.corpus["reading"] = reading
    with pytest.raises(UserError, match="corpus.reading: " + re.escape(said)):
        reading_of(model)


@pytest.mark.parametrize(("name", "told"), [("song.mp3", "can't be decoded"), ("a.csv", "--table")])
def test_a_song_of_nothing_but_a_file_without_sound_is_refused(
    tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / name).write_text("track_id,tempo\n1,120\n")
    with pytest.raises(UserError, match=told):
        require_recording(asked_track(audio=tmp_path / name))
    # What else is known of it may be enough for a prediction.
    require_recording(asked_track(audio=tmp_path / name, fields={"tempo": 120}))
    require_recording(asked_track(fields={"tempo": 120}))


def test_models_whose_lyrics_were_cleaned_differently_are_asked_one_by_one(
    tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    cleaned = Path(__file__).parents[1] / "golden" / "run_of_0_1_0" / "run"
    raw = Path(shutil.copytree(cleaned, tmp_path / "raw"))
    config = json.loads((raw / "config.json").read_text(encoding="utf-8"))
    config["corpus"]["reading"] = {"lyrics": {"enabled": False}}
    (raw / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "lyrics.txt").write_text("See Somebody Live\nla la", encoding="utf-8")
    for given in (
        ("--lyrics", tmp_path / "lyrics.txt"),
        ("--input", f"lyrics={tmp_path}/lyrics.txt"),
    ):
        outcome = deephits("predict", cleaned, "--also", raw, *given)
        assert (outcome.code, "were cleaned differently" in outcome.err) == (2, True)
    assert common_cleaning([Run(raw)]) == LyricsCleaning(enabled=False)


def test_an_encoder_without_its_files_is_told_if_it_has_to_read(tmp_path: Path) -> None:
    lyrics = BertLyrics.from_config({"checkpoint": str(tmp_path / "gone")})
    with pytest.raises(UserError, match=r"gone, which isn't there\. Say where it is now"):
        require_extractable(asked_track(fields={"lyrics": "la"}), [Numeric(), lyrics])
    require_extractable(asked_track(fields={"tempo": 120}), [Numeric(), lyrics])
