"""Every Arrow type in any column, in Parquet and Arrow files: the right value, or a reason."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephits_keras.corpus import import_table
from deephits_keras.errors import UserError
from deephits_keras.prediction.tables import TrackTable

LARGE = 7_123_456_789_012_345_671
"""A whole number that no float64 is."""

ANY: Any = ...
"""Any text."""

UUID = "0190b5a2-57c8-7a4f-9c3d-000000000001"
PAIR = pa.struct([("n", pa.int64()), ("t", pa.string())])


def union() -> pa.Array:
    kinds = pa.array([0, 1, 0], pa.int8())
    return pa.UnionArray.from_sparse(kinds, [pa.array([5, 6, 7]), pa.array(["a", "b", "c"])])


def ids(*values: bytes) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(values, pa.binary(16)))


VALUES: dict[str, tuple[pa.Array, list[Any]]] = {
    "int64": (pa.array([LARGE, None, -1]), [LARGE, None, -1]),
    "uint64": (pa.array([2**64 - 1, None, 0], pa.uint64()), [2**64 - 1, None, 0]),
    "int8": (pa.array([1, 2, 3], pa.int8()), [1, 2, 3]),
    "float16": (pa.array([0.5, None, 1], pa.float16()), [0.5, None, 1]),
    "float64": (pa.array([0.1, None, 1.0]), [0.1, None, 1]),
    "bool": (pa.array([True, None, False]), [True, None, False]),
    "string": (pa.array(["x", "", None]), ["x", None, None]),
    "large_string": (pa.array(["x", "é", None], pa.large_string()), ["x", "é", None]),
    "string_view": (pa.array(["x", "é", None], pa.string_view()), ["x", "é", None]),
    "binary": (pa.array([b"x", b"\xff\x00", None]), ["x", "ff00", None]),
    "fixed_binary": (pa.array([b"ab", None, b"\xff\xfe"], pa.binary(2)), ["ab", None, "fffe"]),
    "uuid": (ids(*(bytes.fromhex(UUID.replace("-", "")),) * 3), [UUID] * 3),
    "date32": (pa.array([18_000, None, 0], pa.date32()), ["2019-04-14", None, "1970-01-01"]),
    "date64": (pa.array([0, None, 0], pa.date64()), ["1970-01-01", None, "1970-01-01"]),
    "time32": (pa.array([200, None, 0], pa.time32("s")), ["00:03:20", None, "00:00:00"]),
    "time64": (pa.array([1, None, 0], pa.time64("ns")), ["00:00:00.000000001", None, ANY]),
    "timestamp": (
        pa.array([0, None, 10**9], pa.timestamp("s")),
        ["1970-01-01 00:00:00", None, "2001-09-09 01:46:40"],
    ),
    "timestamp_of_no_year": (pa.array([10**12, None, -(10**12)], pa.timestamp("s")), [ANY] * 3),
    "timestamp_with_zone": (
        pa.array([0, None, 0], pa.timestamp("ms", tz="Mars/Olympus")),
        ["1970-01-01 00:00:00", None, ANY],
    ),
    "duration": (
        pa.array([200_500, None, -1], pa.duration("ms")),
        ["0 days 00:03:20.5", None, "-0 days 00:00:00.001"],
    ),
    "interval": (pa.array([pa.MonthDayNano([1, 2, 3]), None, None]), [ANY, None, None]),
    "decimal": (
        pa.array([decimal.Decimal("1.50"), None, None], pa.decimal128(9, 2)),
        [1.5, None, None],
    ),
    "whole_decimal": (
        pa.array([decimal.Decimal(LARGE), None, None], pa.decimal128(20, 0)),
        [str(LARGE), None, None],
    ),
    "list": (pa.array([["a", None], None, []]), [["a", None], None, []]),
    "fixed_list": (
        pa.array([[LARGE, None], None, [1, 2]], pa.list_(pa.int64(), 2)),
        [[LARGE, None], None, [1, 2]],
    ),
    "large_list": (
        pa.array([[b"a"], None, []], pa.large_list(pa.binary())),
        [["a"], None, []],
    ),
    "list_view": (pa.array([[1], None, []], pa.list_view(pa.int64())), [[1], None, []]),
    "struct": (
        pa.array([{"n": LARGE, "t": "x"}, None, {"n": None, "t": ""}], PAIR),
        [f'{{"n": {LARGE}, "t": "x"}}', None, '{"n": null, "t": ""}'],
    ),
    "structs": (
        pa.array([[{"n": 1, "t": "x"}], None, []], pa.list_(PAIR)),
        [['{"n": 1, "t": "x"}'], None, []],
    ),
    "map": (
        pa.array([[("k", LARGE)], None, []], pa.map_(pa.string(), pa.int64())),
        [f'{{"k": {LARGE}}}', None, "{}"],
    ),
    "dictionary": (pa.array(["x", "y", None]).dictionary_encode(), ["x", "y", None]),
    "dates_by_key": (
        pa.array([0, 1, 0], pa.date32()).dictionary_encode(),
        ["1970-01-01", "1970-01-02", "1970-01-01"],
    ),
    "run_ends": (pa.RunEndEncodedArray.from_arrays([2, 3], [7, None]), [7, 7, None]),
    "union": (union(), ["5", "b", "7"]),
    "null": (pa.nulls(3), [None, None, None]),
    "bool8": (
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        [1, 0, None],
    ),
}
WRITERS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "songs.parquet": pq.write_table,
    "songs.feather": pyarrow.feather.write_feather,
}


def written(columns: dict[str, pa.Array], path: Path) -> bool:
    """Write a table, unless the format hasn't such a type."""
    try:
        WRITERS[path.name](pa.table(columns), path)
    except (pa.ArrowException, OSError):
        return False
    return True


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("file", WRITERS)
def test_a_value_of_every_type(name: str, file: str, tmp_path: Path) -> None:
    array, expected = VALUES[name]
    table = {"track_id": pa.array(["a", "b", "c"]), "popularity": pa.array([1.0, 2.0, 3.0])}
    if not written({**table, "extra": array}, tmp_path / file):
        pytest.skip(f"{file} has no {array.type}")
    corpus = import_table(tmp_path / file, tmp_path / "corpus").corpus
    found = [track.fields["extra"] for track in corpus.tracks(range(3))]
    served = [track.fields.get("extra") for track in TrackTable(tmp_path / file)]
    for values in (found, served):
        for value, right in zip(values, expected, strict=True):
            if right is None:
                assert value is None or value != value
            elif right is not ANY:
                assert value == right
                assert isinstance(value, str) == isinstance(right, str)


@pytest.mark.parametrize(
    ("name", "track_ids"),
    [
        ("int64", [str(LARGE), "-1"]),
        ("whole_decimal", [str(LARGE)]),
        ("binary", ["x", "ff00"]),
        ("uuid", [UUID]),
        ("struct", [f'{{"n": {LARGE}, "t": "x"}}', '{"n": null, "t": ""}']),
        ("run_ends", ["7"]),
    ],
)
def test_an_id_is_the_same_in_every_format(name: str, track_ids: list[str], tmp_path: Path) -> None:
    array, values = VALUES[name]
    columns = {"track_id": array, "popularity": pa.array([1.0, 1.0, 1.0])}
    for file in WRITERS:
        if written(columns, tmp_path / file):
            corpus = import_table(tmp_path / file, tmp_path / f"{file}-corpus").corpus
            assert corpus.track_ids == track_ids
    lines = [json.dumps({"track_id": _json(v), "popularity": 1}) for v in values if v is not None]
    (tmp_path / "songs.jsonl").write_text("\n".join(lines))
    corpus = import_table(tmp_path / "songs.jsonl", tmp_path / "corpus").corpus
    assert corpus.track_ids == track_ids


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


NAMES = st.sampled_from(
    ["track_id", "title", "artist_name", "artist_ids", "lyrics", "audio", "genre", "extra"]
) | st.sampled_from(
    ["popularity", "tempo", "key", "mode", "release_date", "release_year", "duration_ms", "energy"]
)
ARRAYS = st.sampled_from([array for array, _ in VALUES.values()])
WRAPPED = st.tuples(ARRAYS, st.sampled_from(["", "", "list", "struct", "dictionary"]))


def _wrapped(array: pa.Array, how: str) -> pa.Array:
    try:
        match how:
            case "list":
                return pa.ListArray.from_arrays([0, 1, 1, 3], array)
            case "struct":
                return pa.StructArray.from_arrays([array, array], ["a", "b"])
            case "dictionary":
                return pa.DictionaryArray.from_arrays([2, 0, None], array)
    except (pa.ArrowException, NotImplementedError):
        pass
    return array


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(columns=st.dictionaries(NAMES, WRAPPED, min_size=1, max_size=4))
def test_any_type_in_any_column_is_read_or_told(
    columns: dict[str, tuple[pa.Array, str]], tmp_path: Path
) -> None:
    arrays = {name: _wrapped(*given) for name, given in columns.items()}
    arrays.setdefault("popularity", pa.array([1.5, 2.0, 2.5]))
    folder = tmp_path / f"case-{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    for file in WRITERS:
        if not written(arrays, folder / file):
            continue
        try:
            summary = import_table(folder / file, folder / f"{file}-corpus")
        except UserError:
            continue
        tracks = summary.corpus.tracks(range(len(summary.corpus)))
        served = [
            row
            for row in TrackTable(folder / file, reading=summary.corpus.reading)
            if not hasattr(row, "reason")
        ]
        assert {track.id for track in tracks} <= {row.id for row in served} | {"row-0"}


def test_whole_numbers_of_several_parts_are_one_column(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    pq.write_table(
        pa.table({"track_id": pa.array([LARGE]), "popularity": [1], "n": pa.array([1], pa.int8())}),
        parts / "0.parquet",
    )
    pq.write_table(
        pa.table({"track_id": [5], "popularity": [2.5], "n": [None]}), parts / "1.parquet"
    )
    corpus = import_table(parts, tmp_path / "corpus").corpus
    assert corpus.track_ids == [str(LARGE), "5"]
    assert corpus.popularity.tolist() == [1, 2.5]


def test_a_stream_of_arrow_is_read(tmp_path: Path) -> None:
    table = pa.table({"track_id": ["a"], "popularity": [5]})
    with pa.ipc.new_stream(str(tmp_path / "data.arrow"), table.schema) as stream:
        stream.write_table(table)
    assert import_table(tmp_path / "data.arrow", tmp_path / "corpus").corpus.track_ids == ["a"]


def test_an_index_that_pandas_wrote_counts_if_it_has_a_name(tmp_path: Path) -> None:
    songs = pd.DataFrame({"popularity": [1, 2]})
    songs.index = pd.Index(["a", "b"], name="track_id")
    songs.to_parquet(tmp_path / "named.parquet")
    songs.rename_axis(None).assign(track_id=["x", "y"]).to_parquet(tmp_path / "bare.parquet")
    limits = songs.set_axis(pd.RangeIndex(5, 7, name="track_id"))
    limits.to_parquet(tmp_path / "limits.parquet")
    for name, ids in (("named", ["a", "b"]), ("bare", ["x", "y"]), ("limits", ["5", "6"])):
        corpus = import_table(tmp_path / f"{name}.parquet", tmp_path / name).corpus
        assert corpus.track_ids == ids
        assert not [column for column in corpus.columns if "index" in column]
