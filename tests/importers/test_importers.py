"""Every importer that ships keeps the contract, and gives the values that its layout means."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deephits_keras.corpus.finishing import ImportSummary, TrackSource
from deephits_keras.corpus.importers import (
    Importer,
    Registration,
    find_importer,
    import_dataset,
    registrations,
)
from deephits_keras.errors import UserError
from deephits_keras.testing.importers import parametrize_with_importer_checks, run_importer_checks

OURS = ("deephits_keras.", "deephits_plugins.")
NAMES = sorted({r.name for r in registrations() if r.target.startswith(OURS)})


@parametrize_with_importer_checks([find_importer(name) for name in NAMES])
def test_it_keeps_the_contract(importer: Importer, check: Callable[[Importer], None]) -> None:
    check(importer)


def imported(name: str, folder: Path) -> tuple[pd.DataFrame, ImportSummary]:
    (folder / "source").mkdir()
    source = find_importer(name).write_example(folder / "source")
    summary = import_dataset(name, source, folder / "corpus")
    return pd.read_parquet(folder / "corpus" / "tracks.parquet"), summary


def test_musicoset_takes_the_earlier_of_album_and_chart_year(tmp_path: Path) -> None:
    tracks, _ = imported("musicoset", tmp_path)
    assert tracks["release_year"].tolist() == [2019, 1971, 1963]
    assert tracks["release_date"].tolist() == ["2019-02-08", "1971", "1963"]
    assert tracks["artist_popularity"].tolist() == [96, 96, 20]
    assert tracks["artist_name"].tolist() == ["Ada", "Ada", "Cy"]
    assert [list(ids) for ids in tracks["artist_ids"]] == [["a0"], ["a0", "a1"], ["a2"]]
    assert tracks["tempo"].tolist() == [106.9, 136, 155]


def test_msd_is_times_a_hundred_in_milliseconds_and_year_0_is_unknown(tmp_path: Path) -> None:
    tracks, summary = imported("msd", tmp_path)
    assert tracks["popularity"].tolist() == [50, 75, 0]
    assert tracks["duration_ms"].tolist() == [210_500] * 3
    assert tracks["release_year"].isna().tolist() == [True, False, False]
    assert summary.rejected == {"popularity": 1}


def test_msd_as_a_csv(tmp_path: Path) -> None:
    head = "artist.hotttnesss,artist.name,duration,key,song.hotttnesss,song.id,title,year\n"
    rows = (
        "0.4,Ada,218.9,1,0.602,S0,One,0\n0.5,Bo,148.0,6,-1,S1,Two,1969\n0.1,Cy,90.5,8,0,S2,X,2000\n"
    )
    (tmp_path / "music.csv").write_text(head + rows)
    summary = import_dataset("msd", tmp_path, tmp_path / "corpus")
    tracks = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert tracks["popularity"].tolist() == pytest.approx([60.2, 0])
    assert tracks["duration_ms"].tolist() == [218_900, 90_500]
    assert summary.rejected == {"popularity": 1}


def test_fma_ranks_plays_and_pads_ids(tmp_path: Path) -> None:
    tracks, _ = imported("fma", tmp_path)
    assert tracks["track_id"].tolist() == ["000002", "000003", "000005", "000140"]
    assert tracks["popularity"].tolist() == pytest.approx([100, 100 / 3, 200 / 3, 0])
    assert tracks["duration_ms"].tolist() == [168_000] * 4


def test_spotify_features_reads_keys_and_modes_in_words(tmp_path: Path) -> None:
    tracks, _ = imported("spotify-features", tmp_path)
    assert tracks["key"].tolist() == [1, 6, 0]
    assert tracks["mode"].tolist() == [1, 0, 0]
    assert tracks["time_signature"].tolist() == [4, 4, 5]


def test_acousticbrainz_reads_documents_and_tells_the_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = find_importer("acousticbrainz").write_example(tmp_path / "source")
    (source / "broken.json").write_text('{"metadata": ')
    summary = import_dataset("acousticbrainz", source, tmp_path / "corpus")
    tracks = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert tracks["key"].tolist() == [1, 10, 9]
    assert tracks["duration_ms"].tolist() == [201_250] * 3
    assert summary.rejected == {"broken.json": 1}


def test_hsp_turns_peaks_into_popularity(tmp_path: Path) -> None:
    tracks, _ = imported("hsp", tmp_path)
    assert tracks["popularity"].tolist() == [100, 1, 0, 0]
    assert tracks["release_year"].isna().tolist() == [False, False, False, True]


def test_kaggle_tracks_takes_the_first_of_several_genres(tmp_path: Path) -> None:
    tracks, summary = imported("kaggle-tracks", tmp_path)
    assert tracks["genre"].tolist() == ["acoustic", "acoustic", "rock"]
    assert summary.duplicates == 1


class Broken(Importer):
    """Everything that the checks look for is wrong."""

    name = "Broken one"
    summary = ""
    layout = "x"
    citation = "x"
    later = ("chart",)

    def open(self, source: Path) -> TrackSource:
        rows = iter([pd.DataFrame({"track_id": ["a", "b"], "popularity": ["1", "1"]})])
        ids: Iterator[pd.Series[Any]] = iter([pd.Series(["a"])])
        return TrackSource([], lambda: rows, lambda: ids, {})

    @classmethod
    def write_example(cls, folder: Path) -> Path:
        return folder


def test_each_check_finds_its_fault() -> None:
    failed = {result.name for result in run_importer_checks(Broken()) if not result.passed}
    assert failed >= {
        "says_what_it_is",
        "refuses_another_layout",
        "imports_its_example",
        "ids_are_those_of_the_tracks",
        "can_be_read_again",
    }


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(UserError, match=r"Installed importers: .*musicoset"):
        find_importer("musicosset")


@pytest.mark.parametrize(
    ("target", "told"),
    [("no_such_module:X", "can't be imported"), ("pathlib:Path", "not a subclass of Importer")],
)
def test_what_cannot_be_loaded_is_told(target: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Registration("x", target, "somebody", "1.0").load()


def test_the_command_lists_shows_checks_and_imports(
    deephits: Callable[..., Any], tmp_path: Path
) -> None:
    assert "musicoset" in deephits("import", "--help").out
    assert "musicoset" in deephits("importers", "list").out
    assert "Silva" in deephits("importers", "show", "musicoset").out
    checked = deephits("importers", "check", "kaggle-tracks")
    assert checked.code == 0
    assert "9 of 9" in checked.out
    (tmp_path / "source").mkdir()
    source = find_importer("kaggle-tracks").write_example(tmp_path / "source")
    done = deephits("import", "kaggle-tracks", source, tmp_path / "corpus")
    assert done.code == 0
    assert "3 tracks of 4 rows" in done.out
    refused = deephits("import", "musicoset", source, tmp_path / "other")
    assert refused.code == 2
    assert "it lacks songs.csv" in refused.err


def test_a_begun_importer_passes_its_own_tests(
    deephits: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "deephits-charts"
    assert deephits("importers", "new", "charts", "--out", folder).code == 0
    info = folder / "deephits_charts-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deephits-charts\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[deephits_keras.importers]\ncharts = deephits_charts:Charts\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder / "tests"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
