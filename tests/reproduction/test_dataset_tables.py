"""The dataset's tables, each count worked out by hand from the twenty tracks of `counted`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.reproduction.dataset import dataset_tables, table_a1
from deephits_keras.reproduction.pictures import dataset_pictures
from deephits_keras.reproduction.tables import Table


@pytest.fixture(scope="module")
def tables(counted: Corpus) -> dict[str, Table]:
    encoders = resolve_modalities("mel,lyrics,meta")
    return {table.number: table for table in dataset_tables(counted, encoders)}


def values(table: Table, name: str, source: str) -> list[float | None]:
    (line,) = [v for v in table.lines if (v.name, v.source) == (name, source)]
    return [None if v is None else v.value for v in line.values]


def test_table_2_counts_tracks_and_features(tables: dict[str, Table]) -> None:
    names = ("tracks", "mel", "lyrics", "descriptors", "metadata")
    measured = [values(tables["2"], name, "measured")[0] for name in names]
    assert measured == [14, 128 * 1292, 768, 12, 2]
    published = [values(tables["2"], name, "published")[0] for name in names]
    assert published == [92_517, 165_376, 768, 12, 2]
    assert values(tables["2"], "tracks", "difference") == [14 - 92_517]


def test_table_4_is_what_the_filters_removed(tables: dict[str, Table]) -> None:
    steps = ("raw dataset", "speechiness > 0.66", "duration_ms > 420000", "duration_ms < 30000")
    assert [values(tables["4"], step, "measured") for step in steps] == [
        [0, 0, 20],
        [3, 15, 17],
        [2, 10, 15],
        [1, 5, 14],
    ]
    assert values(tables["4"], "duration_ms < 30000", "published") == [268, 0.26, 92_517]


def test_table_a3_measures_the_lyrics(tables: dict[str, Table]) -> None:
    # Six of fourteen lack lyrics; in order the others have 50, 200, 300 ... 600, 800, 900 words.
    table = tables["A3"]
    assert values(table, "missing lyrics", "measured") == [6]
    assert values(table, "missing lyrics, %", "measured") == [42.86]
    assert values(table, "median words", "measured") == [450]
    # A place of 0.95 * 7 = 6.65 in the order.
    assert values(table, "95th percentile of words", "measured") == [865]
    assert values(table, "over 512 words, %", "measured") == [37.5]
    # Of popularity 80 and more: rows 16 to 19.
    assert values(table, "over 512 words, %, in the top two of ten tiers", "measured") == [75]


def test_table_a6_counts_the_genres_of_removed_speech(tables: dict[str, Table]) -> None:
    # Rows 1, 2 and 3 are removed: of artist 0 once and of artist 1 twice.
    table = tables["A6"]
    assert values(table, "radio play", "measured") == [3, 100]
    assert values(table, "german hip hop", "measured") == [1, pytest.approx(100 / 3)]
    assert values(table, "guidance", "measured") == [0, 0]
    assert values(table, "radio play", "difference") == [3 - 1218, pytest.approx(100 - 22.7)]
    assert "trap" not in {line.name for line in table.lines}


def test_table_a7_sweeps_the_threshold_over_the_raw_corpus(tables: dict[str, Table]) -> None:
    # Rap are rows 0 and 1. Row 3 goes at every threshold, for its length if not for its speech.
    measured = {t: values(tables["A7"], f"speechiness > {t}", "measured") for t in ("0.60", "0.70")}
    assert measured["0.60"] == [4, 20, 13, 65, 2, 50]
    assert measured["0.70"] == [1, 5, 16, 80, 0, 0]


def test_a_table_without_filters_or_genres_lacks_their_tables(corpus: Corpus) -> None:
    numbers = [t.number for t in dataset_tables(corpus, resolve_modalities("meta"))]
    assert numbers == ["2", "A3"]


def test_an_unfiltered_import_keeps_an_empty_list_of_what_was_filtered(tmp_path: Path) -> None:
    table = tmp_path / "songs.csv"
    pd.DataFrame({"track_id": ["a", "b"], "popularity": [1, 2]}).to_csv(table, index=False)
    assert import_table(table, tmp_path / "corpus").corpus.filtered.empty
    (tmp_path / "corpus" / "filtered.parquet").unlink()
    assert Corpus.open(tmp_path / "corpus").filtered.empty


def test_table_a1_is_the_papers_to_the_parameter() -> None:
    table = table_a1(resolve_modalities("mel,lyrics,meta"), {"name": "early"})
    for part in ("mel", "lyrics", "meta", "fusion", "output", "total"):
        assert values(table, part, "difference") == [0]


def test_pictures_are_drawn_of_what_the_corpus_has(counted: Corpus, corpus: Corpus) -> None:
    assert list(dataset_pictures(counted)) == ["1", "3", "A2"]
    assert list(dataset_pictures(corpus)) == ["1", "3"]
    artists, albums = dataset_pictures(counted)["1"][1].axes
    # Rows 0 and 7 to 19 are left: albums of one track each; of artists 0 and 3 one track, of
    # artists 4 to 9 two.
    assert [bar.get_height() for bar in albums.patches][:2] == [14, 0]
    assert [bar.get_height() for bar in artists.patches][:2] == [2, 6]
