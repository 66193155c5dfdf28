"""`reproduce --table rolling`: the paper's model by years after training, over seeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table

PER_YEAR = 40


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("dated")
    years = np.repeat(range(2000, 2006), PER_YEAR)
    energy = np.random.default_rng(0).uniform(0, 1, len(years))
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(len(years))],
            "popularity": (100 * energy).round(1),
            "energy": energy,
            "release_year": years,
        }
    ).to_csv(folder / "songs.csv", index=False)
    return import_table(folder / "songs.csv", folder / "corpus").corpus


@pytest.mark.usefixtures("eager")
def test_the_table_has_a_line_per_year_with_its_spread(
    dated: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    words = ["reproduce", dated.folder, tmp_path / "out", "--table", "rolling", "--seeds", "2"]
    words += ["--origins", "2003,2004", "--horizon", "2", "--epochs", "1", "--batch-size", "64"]
    # Without --modalities: what no track has is left out.
    outcome = deephits(*words, "--json")
    assert outcome.code == 0, outcome.err
    assert "note: mel is left out: no track has audio" in outcome.err
    assert "rolling origins: 4 of 4" in outcome.err
    values = json.loads(outcome.out)
    rows = [row for row in values["tables"] if row["table"] == "rolling"]
    assert {row["row"] for row in rows} == {"meta, year 0", "meta, year 1"}
    assert {row["seeds"] for row in rows} == {2}
    of_seeds = [
        next(
            row["metrics"]["accuracy"]
            for row in json.loads((tmp_path / f"out/rolling/seed-{n}/rolling.json").read_text())
            if row["origin"] is None and row["years"] == 1
        )
        for n in range(2)
    ]
    [found] = [r for r in rows if r["row"] == "meta, year 1" and r["column"] == "accuracy %"]
    assert found["value"] == pytest.approx(100 * np.mean(of_seeds))
    assert found["spread"] == pytest.approx(100 * np.std(of_seeds, ddof=1))
    page = (tmp_path / "out" / "reproduction.html").read_text()
    assert "Spearman rho by years since the origin" in page


def test_origins_and_the_table_belong_together(
    dated: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    for words in (["--table", "rolling"], ["--table", "4", "--origins", "2003"]):
        outcome = deephits("reproduce", dated.folder, tmp_path / "out", *words)
        assert outcome.code == 2
        assert "The table rolling needs --origins" in outcome.err
