"""Tables of every dialect that people have give the same tracks, or a reason and a remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephits_keras.corpus import import_table
from deephits_keras.corpus.reading import open_table
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
    SONGS[2:].drop(columns="tempo").to_parquet(parts / "part-1.parquet")
    summary = import_table(parts, tmp_path / "corpus")
    assert len(summary.corpus) == 3
    assert summary.missing["tempo"] == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("page.csv", b"<!DOCTYPE html><html>", "HTML or XML page"),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 10, "save it as .xlsx or CSV"),
        ("array.json", b'[{"track_id": "a"}]', "one object per line"),
        ("table.pkl", b"\x80\x04\x95", "never opened: save it as Parquet"),
        ("songs.zip", b"PK\x03\x04" + bytes(50), "unpack it first"),
        ("empty.csv", b"\n \n", "is empty"),
        ("not.parquet", b"track_id,popularity\n", "doesn't begin as one"),
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
    told = {"first": "1 repeated rows have another popularity"}.get(rule, f"the {rule} counts")
    assert any(told in note for note in summary.notes)


def test_what_is_odd_of_the_popularity_is_noted(tmp_path: Path) -> None:
    (tmp_path / "share.csv").write_text("track_id,popularity\na,0.5\nb,1\n")
    summary = import_table(tmp_path / "share.csv", tmp_path / "corpus")
    assert any("--popularity-scale 100" in note for note in summary.notes)
    scaled = import_table(tmp_path / "share.csv", tmp_path / "scaled", popularity_scale=100)
    assert scaled.corpus.popularity.tolist() == [50, 100]
    (tmp_path / "same.csv").write_text("track_id,popularity\na,50\nb,50\n")
    summary = import_table(tmp_path / "same.csv", tmp_path / "same")
    assert any("nothing to learn" in note for note in summary.notes)


ARROW = st.sampled_from(
    [
        (pa.int64(), [2**53 + 1, None]),
        (pa.uint8(), [1, 2]),
        (pa.float32(), [0.5, None]),
        (pa.bool_(), [True, None]),
        (pa.string(), ["x", None]),
        (pa.large_string(), ["x", ""]),
        (pa.binary(), [b"x", None]),
        (pa.date32(), [18_000, None]),
        (pa.timestamp("us", tz="UTC"), [0, None]),
        (pa.duration("s"), [1, None]),
        (pa.decimal128(9, 2), [None, None]),
        (pa.list_(pa.string()), [["a", "b"], None]),
        (pa.list_(pa.struct([("id", pa.string()), ("name", pa.string())])), [[{"id": "1"}], []]),
        (pa.struct([("a", pa.int64())]), [{"a": 1}, None]),
        (pa.map_(pa.string(), pa.int64()), [[("k", 1)], None]),
        (pa.dictionary(pa.int32(), pa.string()), ["x", "y"]),
        (pa.null(), [None, None]),
    ]
)
NAMES = st.sampled_from(
    ["track_id", "title", "artists", "lyrics", "tempo", "key", "release_date", "genre", "extra"]
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns=st.dictionaries(NAMES, ARROW, max_size=4))
def test_any_arrow_type_in_any_column_is_read_or_told(columns: dict, tmp_path: Path) -> None:
    arrays = {name: pa.array(values, kind) for name, (kind, values) in columns.items()}
    table = pa.table({**arrays, "popularity": pa.array([1.5, 2.0])})
    folder = tmp_path / f"case-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    pq.write_table(table, folder / "songs.parquet")
    try:
        summary = import_table(folder / "songs.parquet", folder / "corpus")
    except UserError:
        return
    ids = columns.get("track_id")
    if ids and ids[0] == pa.int64():
        assert summary.corpus.track_ids == [str(2**53 + 1)]


def test_every_arrow_type_of_a_field_survives(tmp_path: Path) -> None:
    table = pa.table(
        {
            "track_id": ["a", "b"],
            "popularity": [1.0, 2.0],
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "songs.parquet")
    assert open_table(tmp_path / "songs.parquet").columns == ["track_id", "popularity", "m"]
    assert len(import_table(tmp_path / "songs.parquet", tmp_path / "corpus").corpus) == 2
