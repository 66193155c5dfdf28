"""Tables of every dialect that people have give the same tracks, or a reason and a remedy."""

from __future__ import annotations

import datetime
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from deephits_keras.corpus import import_table
from deephits_keras.errors import UserError

SONGS = pd.DataFrame(
    {
        "track_id": ["a", "b", "c"],
        "title": ["Uno, dos", "Zwei; drei", "Ça\tva"],
        "popularity": ["63.5", "20", "7"],
        "tempo": ["120.1", "99.9", "140"],
    }
)


def comma_decimals(songs: pd.DataFrame) -> pd.DataFrame:
    return songs.assign(**{c: songs[c].str.replace(".", ",") for c in ("popularity", "tempo")})


def excel(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(list(SONGS))
    for row in SONGS.itertuples(index=False):
        book.active.append([row[0], row[1], float(row[2]), float(row[3])])
    book.save(path)


def lines(path: Path, write: Callable[[Path], object] = lambda p: p.open("w")) -> None:
    text = "".join(json.dumps(row) + "\n" for row in SONGS.to_dict("records"))
    path.write_text(text)


def zipped(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


DIALECTS: dict[str, Callable[[Path], object]] = {
    "comma.csv": lambda p: SONGS.to_csv(p, index=False),
    "index.csv": lambda p: SONGS.to_csv(p),
    "semicolon.csv": lambda p: SONGS.to_csv(p, sep=";", index=False),
    "semicolon_decimal_comma.csv": lambda p: comma_decimals(SONGS).to_csv(p, sep=";", index=False),
    "tab.tsv": lambda p: SONGS.to_csv(p, sep="\t", index=False),
    "bar.txt": lambda p: SONGS.to_csv(p, sep="|", index=False),
    "utf16.csv": lambda p: SONGS.to_csv(p, index=False, encoding="utf-16"),
    "utf16_tab.csv": lambda p: SONGS.to_csv(p, sep="\t", index=False, encoding="utf-16"),
    "bom.csv": lambda p: SONGS.to_csv(p, index=False, encoding="utf-8-sig"),
    "windows.csv": lambda p: SONGS.to_csv(p, index=False, encoding="cp1252"),
    "packed.csv.gz": lambda p: SONGS.to_csv(p, index=False),
    "sep.csv": lambda p: p.write_text("sep=;\n" + SONGS.to_csv(sep=";", index=False)),
    "hash_header.csv": lambda p: p.write_text("#" + SONGS.to_csv(index=False)),
    "hash_index.csv": lambda p: p.write_text("#" + SONGS.to_csv()),
    "comment_with_commas.csv": lambda p: p.write_text("# a,b,c,d\n" + SONGS.to_csv(index=False)),
    "packed.csv.bz2": lambda p: SONGS.to_csv(p, index=False),
    "packed.csv.xz": lambda p: SONGS.to_csv(p, index=False),
    "packed.zip": lambda p: zipped(p, {"songs.csv": SONGS.to_csv(index=False), "__MACOSX/x": ""}),
    "comments.csv": lambda p: p.write_text("# mine\n# own\n" + SONGS.to_csv(index=False)),
    "crlf.csv": lambda p: SONGS.to_csv(p, index=False, lineterminator="\r\n"),
    "capitals.csv": lambda p: SONGS.rename(columns=str.upper).to_csv(p, index=False),
    "lines.jsonl": lines,
    "workbook.xlsx": excel,
    "table.parquet": lambda p: SONGS.to_parquet(p),
    "table.pq": lambda p: SONGS.to_parquet(p),
    "table.feather": lambda p: pa.feather.write_feather(pa.Table.from_pandas(SONGS), p),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_tracks_in_every_dialect(name: str, tmp_path: Path) -> None:
    DIALECTS[name](tmp_path / name)
    import_table(tmp_path / name, tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found["track_id"].tolist() == ["a", "b", "c"]
    assert found["title"].tolist() == SONGS["title"].tolist()
    assert found["popularity"].tolist() == [63.5, 20, 7]
    assert found["tempo"].tolist() == [120.1, 99.9, 140]


def test_a_folder_of_parquet_parts_is_one_table(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    SONGS[:2].to_parquet(parts / "part-0.parquet")
    SONGS[2:].to_parquet(parts / "part-1.parquet")
    summary = import_table(parts, tmp_path / "corpus")
    assert len(summary.corpus) == 3
    assert any("2 Parquet files" in note for note in summary.notes)
    SONGS[2:].drop(columns="tempo").to_parquet(parts / "part-1.parquet")
    with pytest.raises(UserError, match=r"part-1.parquet .* different columns \(tempo\)"):
        import_table(parts, tmp_path / "other")
    with pytest.raises(UserError, match="corpus is a corpus"):
        import_table(tmp_path, tmp_path / "other")


def test_what_an_import_replaces_is_told_and_bad_options_are_refused(tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        SONGS.to_csv(tmp_path / name, index=False)
    first = import_table(tmp_path / "one.csv", tmp_path / "corpus")
    again = import_table(tmp_path / "one.csv", tmp_path / "corpus")
    assert not any("replaces" in note for note in (*first.notes, *again.notes))
    other = import_table(tmp_path / "two.csv", tmp_path / "corpus")
    assert not any("replaces" in note for note in other.notes)
    SONGS.assign(popularity=1).to_csv(tmp_path / "one.csv", index=False)
    other = import_table(tmp_path / "one.csv", tmp_path / "corpus")
    assert "replaces the corpus of two.csv, 3 tracks" in other.notes
    with pytest.raises(UserError, match="Received: DataFrame"):
        import_table(cast(Any, SONGS), tmp_path / "corpus")
    with pytest.raises(UserError, match="positive"):
        import_table(tmp_path / "one.csv", tmp_path / "corpus", popularity_scale=-1)
    with pytest.raises(UserError, match="did you mean danceability=tempo"):
        import_table(tmp_path / "one.csv", tmp_path / "corpus", columns={"dancabilty": "tempo"})


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("page.csv", b"<!DOCTYPE html><html>", "HTML or XML page"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 10, "save it as .xlsx or CSV"),
        ("array.json", b'[{"track_id": "a"}]', "one object per line"),
        ("table.pkl", b"\x80\x04\x95", "never opened: save it as Parquet"),
        ("songs.zip", b"PK\x03\x04" + bytes(50), "can't be unpacked"),
        ("empty.csv", b"\n \n", "is empty"),
        ("not.parquet", b"track_id,popularity\n", "first bytes are of another format"),
        ("broken.gz", b"\x1f\x8b\x08\x00", "can't be unpacked"),
        ("fma.csv", b",album,track\n,title,title\ntrack_id,,\n2,A,B\n", "deephits import fma"),
    ],
)
def test_what_is_no_table_gets_one_sentence(
    name: str, content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=told):
        import_table(tmp_path / name, tmp_path / "corpus")


def test_a_zip_of_several_files_names_them(tmp_path: Path) -> None:
    zipped(tmp_path / "songs.zip", {"a.csv": "x", "b.csv": "y"})
    with pytest.raises(UserError, match=r"ZIP archive of 2 files \(a.csv, b.csv\)"):
        import_table(tmp_path / "songs.zip", tmp_path / "corpus")


def test_a_column_of_mixed_json_is_text(tmp_path: Path) -> None:
    rows = [
        {"track_id": "a", "popularity": 1, "x": 1, "y": [1, None], "z": {"k": [1]}, "v": True},
        {"track_id": "b", "popularity": "63 %", "x": "two", "y": ["a"], "z": 5, "w": 2**70},
        {"track_id": "c", "popularity": 2.5, "x": None, "y": [], "v": None, "w": 1},
    ]
    lines = [*map(json.dumps, rows), '{"track_id": "\\ud800", "popularity": 1}']
    lines.append('{"track_id": "d", "popularity": 1, "popularity": 99}')
    (tmp_path / "songs.jsonl").write_text("\n".join(lines))
    summary = import_table(tmp_path / "songs.jsonl", tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found["popularity"].tolist() == [1, 63, 2.5]
    assert found["x"].tolist()[:2] == ["1", "two"]
    assert [list(value) for value in found["y"]] == [["1", None], ["a"], []]
    assert found["z"].tolist()[:2] == ['{"k": [1]}', "5"]
    assert found["v"].tolist() == [True, None, None]
    assert found["w"].tolist()[1:] == [str(2**70), "1"]
    assert summary.rejected == {"songs.jsonl": 2}
    reasons = pd.read_csv(tmp_path / "corpus" / "rejected.csv")["reason"]
    assert reasons.str.contains("the key 'popularity' is there twice").sum() == 1


def test_what_excel_took_for_times_and_dates(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["track_id", "popularity", "length", "time_signature", "release_date"])
    day = datetime.datetime(2024, 4, 3)
    book.active.append(["a", 1, datetime.time(3, 20), day, datetime.datetime(2019, 6, 14)])
    book.active.append(["b", 2, datetime.time(0, 3, 21), "4/4", "2019"])
    book.save(tmp_path / "songs.xlsx")
    import_table(tmp_path / "songs.xlsx", tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found["duration_ms"].tolist() == [200_000, 201_000]
    assert found["time_signature"].tolist() == [3, 4]
    assert found["release_date"].tolist() == ["2019-06-14", "2019"]


def test_one_bad_byte_rejects_its_line_alone(tmp_path: Path) -> None:
    rows = [f"t{n},Größe {n},{n % 100}" for n in range(2000)]
    whole = "track_id,title,popularity\n" + "\n".join(rows) + "\n"
    (tmp_path / "songs.csv").write_bytes(
        whole.encode().replace("Größe 77,".encode(), b"Gr\xf6 77,")
    )
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert len(found) == 1999
    assert found["title"].iloc[5] == "Größe 5"
    rejected = (tmp_path / "corpus" / "rejected.csv").read_text()
    assert "row 78: a byte that isn't UTF-8" in rejected
    assert sum(summary.rejected.values()) == 1


def test_a_quote_that_swallows_rows_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text(
        'track_id,title,popularity\na,"Heroes,10\nb,Two,20\nc,Three",30\nd,Four,40\n'
    )
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    assert summary.corpus.track_ids == ["d"]
    assert "a quotation mark is missing" in (tmp_path / "corpus" / "rejected.csv").read_text()


@pytest.mark.parametrize(("rule", "popularity"), [("first", 0), ("max", 78), ("mean", 39)])
def test_repeats_that_disagree(rule: str, popularity: float, tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text("track_id,popularity\na,0\na,78\nb,20\n")
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", duplicates=rule)
    assert summary.corpus.popularity.tolist() == [popularity, 20]
    told = {"first": "(the first row's"}.get(rule, f"(the {rule})")
    assert any("another popularity" in note and told in note for note in summary.notes)


@pytest.mark.parametrize(("rule", "popularity"), [("first", 10), ("max", 30), ("mean", 20)])
def test_a_repeat_that_is_itself_rejected_has_no_say(
    rule: str, popularity: float, tmp_path: Path
) -> None:
    (tmp_path / "audio").mkdir()
    rows = ["a,10,120,", "a,90,fast,", "a,30,120,", "a,95,120,../out.mp3", "a,140,120,"]
    (tmp_path / "songs.csv").write_text("track_id,popularity,tempo,audio\n" + "\n".join(rows))
    summary = import_table(
        tmp_path / "songs.csv", tmp_path / "corpus", duplicates=rule, audio=tmp_path / "audio"
    )
    assert summary.corpus.popularity.tolist() == [popularity]
    assert summary.duplicates == 1
    rejected = pd.read_csv(tmp_path / "corpus" / "rejected.csv").set_index("source_row")["reason"]
    told = rejected[2]
    counts = {"first": "10, not 30", "max": "", "mean": "20, not 30"}[rule]
    assert told.startswith("duplicate of an earlier row")
    assert counts in told


def test_the_row_that_stays_is_the_first_good_one(tmp_path: Path) -> None:
    rows = ["a,140,1", "a,40,2", "b,5,3", "a,60,4"]
    (tmp_path / "songs.csv").write_text("track_id,popularity,extra\n" + "\n".join(rows))
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", duplicates="max")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found[["track_id", "popularity", "extra"]].to_numpy().tolist() == [
        ["a", 60, "2"],
        ["b", 5, "3"],
    ]
    assert summary.rejected == {"popularity": 1, "track_id": 1}


def test_what_is_odd_of_the_popularity_is_noted(tmp_path: Path) -> None:
    (tmp_path / "share.csv").write_text("track_id,popularity\na,0.5\nb,1\n")
    summary = import_table(tmp_path / "share.csv", tmp_path / "corpus")
    assert any("--popularity-scale 100" in note for note in summary.notes)
    scaled = import_table(tmp_path / "share.csv", tmp_path / "scaled", popularity_scale=100)
    assert scaled.corpus.popularity.tolist() == [50, 100]
    (tmp_path / "same.csv").write_text("track_id,popularity\na,50\nb,50\n")
    summary = import_table(tmp_path / "same.csv", tmp_path / "same")
    assert any("nothing to learn" in note for note in summary.notes)
