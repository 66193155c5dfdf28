"""`python -m benchmarks accuracy`: mistakes are told first, and it continues after a kill."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest

from deephits_keras.corpus import import_table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    rows = [{"artist_name": f"a{n}", "popularity": n, "tempo": 100} for n in range(40)]
    pd.DataFrame(rows).to_csv(tmp_path / "songs.csv", index=False)
    return import_table(tmp_path / "songs.csv", tmp_path / "songs").corpus.folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("SONGS --tasks regression,tiers-4", "'tiers-4' is none of regression, tiers-3, tiers-10"),
        ("SONGS --models default,xgboost", "'xgboost' is none of default, lightgbm, catboost"),
        ("SONGS --splits date,kfold", "'kfold' is none of artist, random, date"),
        ("SONGS --tracks 20,33", "32 tracks are outside the test part. Asked for: 33"),
        ("SONGS --seeds 0,one", "not numbers separated by commas: '0,one'"),
        ("SONGS --trials 0", "--trials must be at least 1"),
        ("SONGS --modalities mta", "did you mean meta?"),
        ("SONGS NOWHERE", "it has no corpus.json"),
        ("", "name a corpus"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(
    words: str,
    message: str,
    songs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    accuracy = importlib.import_module("benchmarks.accuracy")
    places = {"SONGS": str(songs), "NOWHERE": str(tmp_path / "nowhere")}
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as end:
        accuracy.main([*(places.get(word, word) for word in words.split()), "--out", str(out)])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_result_that_was_cut_off_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    accuracy = importlib.import_module("benchmarks.accuracy")
    accuracy.append(tmp_path, {"seed": 1})
    with (tmp_path / accuracy.RESULTS).open("a") as file:
        file.write('{"seed": 2, "metr')
    assert [row["seed"] for row in accuracy.read(tmp_path)] == [1]
    accuracy.append(tmp_path, {"seed": 3})
    assert [row["seed"] for row in accuracy.read(tmp_path)] == [1, 3]
