"""Rolling origins: a training for each, all modalities and each alone, metrics by years since."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.errors import UserError
from deephits_keras.runs.run import Run
from deephits_keras.training.rolling import plan_rolling
from deephits_keras.training.rolling_page import years_table
from deephits_keras.training.rolling_rows import RollingRow

PER_YEAR, YEARS, CHANGE = 40, range(1990, 2004), 2000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Energy makes songs popular before the year of the change, and unpopular from then on."""
    folder = tmp_path_factory.mktemp("rolling")
    year = np.repeat(YEARS, PER_YEAR)
    energy = np.random.default_rng(0).uniform(0, 1, len(year))
    pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(len(year))],
            "popularity": (100 * np.where(year < CHANGE, energy, 1 - energy)).round(1),
            "energy": energy,
            "release_year": year,
            "artist_name": [f"Artist {n % 9}" for n in range(len(year))],
        }
    ).to_csv(folder / "songs.csv", index=False)
    return import_table(folder / "songs.csv", folder / "corpus").corpus


@pytest.mark.usefixtures("eager")
def test_metrics_by_years_since_the_origin_show_when_a_model_stops_being_right(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    words = ["train", corpus.folder, tmp_path / "out", "--split", "rolling"]
    words += ["--origins", "1998,1997", "--horizon", "4", "--modalities", "meta=numeric"]
    words += ["--numeric-columns", "energy", "--task", "regression", "--epochs", "8"]
    words += ["--batch-size", "64", "--max-learning-rate", "0.1"]
    outcome = deephits(*words, "--json")
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["rows"]
    assert rows == json.loads((tmp_path / "out" / "rolling.json").read_text())
    found = {(row["origin"], row["years"]): row for row in rows}
    assert set(found) == {(o, y) for o in (None, 1997, 1998) for y in (None, *range(4))}
    assert found[None, None]["tracks"] == 8 * PER_YEAR
    assert found[None, 2]["tracks"] == 2 * PER_YEAR
    # 1998 and 1999 are as before; 2000 and 2001 are the other way around.
    assert found[1998, 1]["metrics"]["spearman"] > 0.8
    assert found[1998, 2]["metrics"]["spearman"] < -0.8
    assert found[1997, 2]["metrics"]["spearman"] > 0.8
    assert found[None, 3]["intervals"]["mae"]["low"] > found[None, 0]["intervals"]["mae"]["high"]
    run = Run(tmp_path / "out" / "1998-meta")
    assert run.config.split["origin"] == 1998
    assert found[1998, None]["metrics"]["mae"] == pytest.approx(
        run.metrics["parts"]["test"]["regression"]["mae"]
    )
    page = (tmp_path / "out" / "rolling.html").read_text()
    assert "released before 1997, 1998" in page
    assert page.count("<img") >= 4
    # What is finished isn't trained again.
    made = (run.folder / "model.keras").stat().st_mtime_ns
    again = deephits(*words)
    assert "years since the origin" in again.out
    assert (run.folder / "model.keras").stat().st_mtime_ns == made


def test_every_modality_is_also_trained_alone(corpus: Corpus, tmp_path: Path) -> None:
    plan = plan_rolling(
        corpus,
        tmp_path / "out",
        origins=[1998, 1995],
        modalities="meta,artist",
        settings={"artist_history": {"units": 8}},
    )
    assert list(plan.plans) == [
        (name, origin) for name in ("meta,artist", "meta", "artist") for origin in (1995, 1998)
    ]
    alone = plan.plans["artist", 1995]
    assert alone.folder == tmp_path / "out" / "1995-artist"
    assert [encoder.name for encoder in alone.encoders.values()] == ["artist_history"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--origins", "1998"], "--origins is for --split rolling"),
        (["--split", "rolling", "--origins", "1998", "--origin", "1998"], "in the place of"),
        (["--split", "rolling", "--origins", "1998,x"], "separated by commas: 2005,2010"),
        (["--split", "rolling", "--origins", "1998,1998"], "Different origins are needed"),
        (
            ["--split", "rolling", "--origins", "1998", "--test", "0.1"],
            "before each year: remove --test",
        ),
        (["--split", "rolling", "--origins", "2050"], "0 in the 5 years from then on"),
    ],
)
def test_origins_that_cannot_be_meant_are_refused(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any], words: list[str], message: str
) -> None:
    outcome = deephits("train", corpus.folder, tmp_path / "out", *words)
    assert outcome.code == 2
    assert message in outcome.err


def test_the_same_origin_is_not_planned_twice(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Different origins"):
        plan_rolling(corpus, tmp_path / "out", origins=[])


def test_years_of_too_few_songs_say_so() -> None:
    rows = [
        RollingRow("meta", None, 0, 12, {}, {}),
        RollingRow("meta", None, 1, 40, {"mae": 11.0, "r2": None}, {}),
    ]
    columns, cells = years_table(rows)
    assert columns[-1] == "MAE"
    assert [row[-1] for row in cells] == ["too few", "11.00"]
