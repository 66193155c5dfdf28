"""What tables of people hold that would be read wrongly without a word."""

from __future__ import annotations

import datetime
import gzip
import io
import re
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deephits_keras.corpus import ImportSummary, import_table
from deephits_keras.corpus.artists import ArtistKeys, artist_key
from deephits_keras.corpus.dates import iso_dates
from deephits_keras.errors import UserError
from deephits_keras.prediction.tables import TrackTable
from deephits_keras.tracks import Track


def imported(folder: Path, text: str, **options: Any) -> tuple[pd.DataFrame, ImportSummary]:
    (folder / "songs.csv").write_text(text, encoding="utf-8")
    summary = import_table(folder / "songs.csv", folder / "corpus", **options)
    return pd.read_parquet(folder / "corpus" / "tracks.parquet"), summary


def served(folder: Path, text: str, reading: dict[str, Any]) -> tuple[list[Track], list[str]]:
    (folder / "new.csv").write_text(text, encoding="utf-8")
    table = TrackTable(folder / "new.csv", reading=reading)
    return [row for row in table if isinstance(row, Track)], list(table.notes)


def test_a_word_for_unknown_is_no_category(tmp_path: Path) -> None:
    words = ["pop", "-", "unknown", "NA", "N/A", "None"]
    text = "track_id,title,popularity,genre\n"
    text += "".join(f"{k},{word},{k},{word}\n" for k, word in enumerate(words))
    found, summary = imported(tmp_path, text)
    assert found["genre"].dropna().tolist() == ["pop"]
    assert found["title"].tolist() == words
    tracks, _ = served(tmp_path, text, summary.corpus.reading)
    assert [track.fields.get("genre") for track in tracks] == ["pop", *[None] * 5]


def test_an_unknown_artist_is_none_and_a_band_called_so_is_one() -> None:
    keys = ArtistKeys(frozenset())
    assert [keys.of(name) for name in ("-", "Unknown Artist", "<unknown>", "NaN")] == [[]] * 4
    assert keys.of("?") == ["?"]


def test_a_mis_decoded_artist_is_the_same_one() -> None:
    assert artist_key("BeyoncÃ©") == artist_key("Beyoncé")
    assert artist_key("Ângela Rô Rô") == "ângela rô rô"
    assert artist_key("SÃO PAULO") == "são paulo"


def test_quoted_texts_behind_a_blank_are_texts(tmp_path: Path) -> None:
    text = 'track_id, title, popularity\na, "Hello, World", 50\nb, "Two", 60\nc, Three, 70\n'
    found, summary = imported(tmp_path, text)
    assert found["title"].tolist() == ["Hello, World", "Two", "Three"]
    assert not summary.rejected


DATES = {
    "2019/06/14": "2019-06-14",
    "2019.6.4": "2019-06-04",
    "2019-6-4 10:00": "2019-06-04",
    "2019-06-14T00:00:00Z": "2019-06-14",
    "2019-13-45": "2019",
    "2019-06-00": "2019-06",
    "2019-02-30": "2019-02",
    "2/8/19": "2019",
    "43630": None,
    "soon": None,
}


def test_dates_are_read_and_what_is_none_is_counted(tmp_path: Path) -> None:
    found = iso_dates(pd.Series([*DATES], dtype="string"))
    assert [None if pd.isna(date) else date for date in found] == [*DATES.values()]
    rows = "".join(f"{k},{k},{date}\n" for k, date in enumerate([*DATES, "", "-", "0000"]))
    _, summary = imported(tmp_path, f"track_id,popularity,release_date\n{rows}")
    assert "2 release dates can't be read and are unknown, as '43630'" in summary.notes
    assert (
        "3 release dates have an ambiguous or impossible day or month: only their year, or year "
        "and month, is known, as '2019-13-45'"
    ) in summary.notes


def test_a_header_alone_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no rows below its header"):
        imported(tmp_path, "track_id,popularity\n")


def test_a_second_column_for_a_number_is_named(tmp_path: Path) -> None:
    text = "track_id,popularity,track_popularity\na,1,9\nb,2,8\n"
    found, summary = imported(tmp_path, text)
    assert found["popularity"].tolist() == [1, 2]
    assert any("--column popularity=track_popularity takes it" in note for note in summary.notes)
    found, summary = imported(tmp_path, text, columns={"popularity": "track_popularity"})
    assert found["popularity"].tolist() == [9, 8]
    assert not any("takes it instead" in note for note in summary.notes)


def test_a_second_column_of_the_same_name_is_named(tmp_path: Path) -> None:
    text = "track_id,popularity,popularity\n" + "".join(f"t{n},{n},9\n" for n in range(12))
    rows, summary = imported(tmp_path, text)
    assert rows["popularity"].tolist() == list(range(12))
    assert any("--column popularity=popularity.1 takes it" in note for note in summary.notes)


def test_bytes_that_are_no_text_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_bytes(bytes(range(14, 255)) * 40)
    with pytest.raises(UserError, match=r"is not a table|can't be read") as told:
        import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    assert str(told.value).isprintable()


@pytest.mark.parametrize(("highest", "told"), [(9.9, True), (63, False)])
def test_popularity_on_a_smaller_scale_is_noted(highest: float, told: bool, tmp_path: Path) -> None:
    rows = "".join(f"t{n},{n * highest / 39}\n" for n in range(40))
    _, summary = imported(tmp_path, f"track_id,popularity\n{rows}")
    assert any("10 for one from 0 to 10" in note for note in summary.notes) == told


def test_ids_that_a_spreadsheet_rounded_are_noticed(tmp_path: Path) -> None:
    text = "track_id,popularity\n1.23457E+17,1\n1.23457E+17,2\n1.23457E+17,2\n"
    _, summary = imported(tmp_path, text)
    assert any("2 repeated track ids are numbers that a spread" in n for n in summary.notes)


def test_other_units_than_in_training_are_noticed(tmp_path: Path) -> None:
    _, summary = imported(tmp_path, "track_id,popularity,energy\na,1,80\nb,2,70\nc,3,12\n")
    tracks, notes = served(tmp_path, "track_id,energy\na,0.8\nb,0.7\n", summary.corpus.reading)
    assert [track.fields["energy"] for track in tracks] == pytest.approx([0.008, 0.007])
    assert any("though its values seem to be in the standard unit" in note for note in notes)
    _, notes = served(tmp_path, "track_id,energy\na,80\nb,70\n", summary.corpus.reading)
    assert not any("seem to be" in note for note in notes)


def tar_of(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("songs.tar.gz", tar_of("songs.csv", b"track_id,popularity\na,1\n"), "tar archive"),
        ("songs.rds", gzip.compress(b"X\n\0\0\0\3\0\4\1\0" * 20), "data of R"),
    ],
)
def test_what_is_no_table_is_named(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=told):
        import_table(tmp_path / name, tmp_path / "corpus")


def test_the_header_of_a_workbook_is_found(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["About this file"])
    sheet = book.create_sheet("Songs")
    for row in (["My songs of 2019"], [], ["track_id", "popularity"], ["a", 1], ["b", 2]):
        sheet.append(row)
    book.save(tmp_path / "songs.xlsx")
    summary = import_table(tmp_path / "songs.xlsx", tmp_path / "corpus")
    assert summary.corpus.track_ids == ["a", "b"]
    assert any("of several sheets 'Songs'" in note for note in summary.notes)


LONGER = {
    "the first row": "track_id,title,popularity,tempo\na,One, 2,50,120\nb,Two,60,100\n",
    "every row, as of R's row names": "popularity,tempo,track_id\n1,50,120,a\n2,60,100,b\n",
    "a later row": "track_id,title,popularity,tempo\nb,Two,60,100\na,One, 2,50,120\n",
}


@pytest.mark.parametrize("text", LONGER.values(), ids=LONGER.keys())
def test_a_row_with_more_values_than_the_header_is_not_read_shifted(
    text: str, tmp_path: Path
) -> None:
    try:
        found, summary = imported(tmp_path, text)
    except UserError as error:
        assert "more values than the header" in str(error)  # noqa: PT017
        return
    assert found["popularity"].tolist() == [60]
    rejected = (tmp_path / "corpus" / "rejected.csv").read_text()
    assert re.search("more values than the header|expected 4 fields, saw 5", rejected)
    rows = list(TrackTable(tmp_path / "songs.csv", reading=summary.corpus.reading))
    assert [row.id for row in rows if isinstance(row, Track)] == ["b"]
    assert len(rows) == 2


def test_empty_values_behind_the_last_column_are_nothing(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, "track_id,popularity\na,10,,\nb,20\nc,30,,\n")
    assert found["popularity"].tolist() == [10, 20, 30]


def test_an_encoding_that_was_given_is_kept(tmp_path: Path) -> None:
    lyrics = "夜に駆ける"
    text = f"track_id,popularity,lyrics\na,10,{lyrics}\n"
    (tmp_path / "songs.csv").write_bytes(text.encode("shift-jis"))
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", encoding="shift-jis")
    (track,) = TrackTable(tmp_path / "songs.csv", reading=summary.corpus.reading)
    assert isinstance(track, Track)
    assert track.lyrics == summary.corpus.tracks([0])[0].lyrics == lyrics
    guessed = import_table(tmp_path / "songs.csv", tmp_path / "guessed")
    assert any("--encoding" in note for note in guessed.notes)
    # A table that is certain is read as what it is.
    (track,) = served(tmp_path, text, summary.corpus.reading)[0]
    assert track.lyrics == lyrics


def test_decimal_commas_with_exponents(tmp_path: Path) -> None:
    text = "id;popularity;instrumentalness\na;1;1,23E-05\nb;2;1,234E-05\nc;3;0,5\n"
    found, _ = imported(tmp_path, text)
    assert found["instrumentalness"].tolist() == pytest.approx([1.23e-5, 1.234e-5, 0.5])


def test_a_workbook_with_two_columns_of_a_name_and_long_times(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["track_id", "popularity", "popularity", "duration"])
    book.active.append(["a", 10, 11, datetime.timedelta(hours=25)])
    book.active.append(["b", 20, 21, datetime.time(3, 20), "beside"])
    book.active.append(["c", 30, 31, datetime.timedelta(minutes=4, seconds=5)])
    book.save(tmp_path / "songs.xlsx")
    summary = import_table(tmp_path / "songs.xlsx", tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found["popularity"].tolist() == [10, 20, 30]
    assert found["duration_ms"].tolist() == [1_500_000, 200_000, 245_000]
    assert any("popularity.1 isn't used" in note for note in summary.notes)


@pytest.mark.parametrize(
    "value",
    [
        "['Ana' 'Bo']",
        "['Ana', 'Bo']",
        ["Ana", "Bo"],
        ['{"name": "Ana", "followers": 3}', '{"name": "Bo", "followers": 5}'],
    ],
)
def test_artists_in_odd_lists_are_the_same(value: Any) -> None:
    assert ArtistKeys(frozenset()).of(value) == ["ana", "bo"]


def test_a_list_without_escapes_is_a_list() -> None:
    assert ArtistKeys(frozenset()).of("['Guns N' Roses', 'Bo']") == ["guns n' roses", "bo"]


def test_shares_of_whole_numbers_above_1_are_percent(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, "id,popularity,speechiness\na,1,3\nb,2,1\nc,3,0\n")
    assert found["speechiness"].tolist() == pytest.approx([0.03, 0.01, 0])


def test_an_id_that_is_unknown_is_none(tmp_path: Path) -> None:
    found, _ = imported(tmp_path, "track_id,popularity\nnan,1\nNaN,2\n<NA>,3\n\\N,4\nna,5\n")
    assert found["track_id"].tolist() == ["na"]
    assert "there is no track id" in (tmp_path / "corpus" / "rejected.csv").read_text()


def test_a_value_with_its_own_unit_says_nothing_of_the_columns(tmp_path: Path) -> None:
    _, summary = imported(tmp_path, "id,popularity,length,energy\na,1,200,80\nb,2,190.5,7\n")
    text = "id,length,energy\na,3:20,80 %\n"
    (track,), notes = served(tmp_path, text, summary.corpus.reading)
    assert track.fields == {"duration_ms": 200_000, "energy": 0.8}
    assert not any("seem to be" in note for note in notes)
