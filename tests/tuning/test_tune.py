"""`tune`: the best of some trainings as a run; nested in the split, resumable, pruned."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.corpus import import_table
from deephits_keras.runs.run import Run
from deephits_keras.tuning.search import best_of
from deephits_keras.tuning.trials import carry_out_all
from deephits_keras.tuning.workflow import plan_tuning
from deephits_keras.verification import verify

Deephits = Callable[..., Any]

DIVERGES = 1e30
SEARCH = {"learning_rate": [0.01, 0.05, DIVERGES], "dropout": "0.01..0.4:log"}
FIXED = ("--task", "tiers-3", "--modalities", "meta=numeric", "--recipe", "paper")
SMALL = ("--epochs", "2", "--batch-size", "32", "--optimizer", "sgd", "--seed", "3")
WORDS = (
    *FIXED,
    *SMALL,
    "--search",
    "learning_rate=0.01,0.05,1e30",
    "--search",
    "dropout=0.01..0.4:log",
)
TRIALS = 3


@pytest.fixture(scope="module")
def found(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A search from Python."""
    return search(corpus, tmp_path_factory.mktemp("found") / "run")


def search(corpus: Path, run: Path) -> Any:
    return dh.tune(
        corpus,
        run,
        search=SEARCH,
        trials=TRIALS,
        recipe="paper",
        modalities="meta=numeric",
        task="tiers-3",
        training={"epochs": 2, "batch_size": 32, "optimizer": "sgd"},
        seed=3,
    )


def test_the_best_trial_is_a_run_like_any_other(found: Any, deephits: Deephits) -> None:
    run = Run(found.run.folder)
    assert verify(run.folder).whole
    complete = [r for r in found.records if r.result.outcome == "complete"]
    assert found.best.result.value == min(r.result.value for r in complete)
    assert run.config.training.max_learning_rate == found.values["max_learning_rate"]
    assert run.config.fusion["dropout"] == found.values["fusion.dropout"]
    assert min(run.history["validation_loss"]) <= found.best.result.value
    assert set(run.predictions["part"]) == {"validation", "test"}
    evaluated = deephits("evaluate", run.folder, "--json")
    assert json.loads(evaluated.out)["parts"] == run.metrics["parts"]
    predicted = deephits("predict", run.folder, "--set", "artist_popularity=70", "--json")
    assert predicted.code == 0, predicted.err


def test_the_run_says_that_it_was_tuned(found: Any) -> None:
    told = Run(found.run.folder).config.recipe["tuned"]
    assert told["trials"] == TRIALS
    assert told["trial"] == found.best.number
    assert told["space"] == {
        "max_learning_rate": "0.01,0.05,1e+30",
        "fusion.dropout": "0.01..0.4:log",
    }
    report = " ".join((found.run.folder / "report.html").read_text().split())
    assert f"the best of {TRIALS} trials" in report
    assert 'href="tuning/tuning.html"' in report


def test_a_trial_that_fails_is_recorded_with_its_reason(found: Any) -> None:
    failed = [r for r in found.records if r.result.outcome == "failed"]
    assert {r.values["max_learning_rate"] for r in failed} == {DIVERGES}
    assert all("not a finite number" in r.result.reason for r in failed)
    assert len(found.records) == TRIALS
    table = found.to_frame()
    assert list(table["trial"]) == list(range(TRIALS))
    assert table.loc[table["outcome"] == "failed", "reason"].str.contains("finite").all()


def pictures(page: str) -> list[str]:
    found = re.findall(r'data:image/svg\+xml;base64,([^"]+)', page)
    assert found
    return [base64.b64decode(picture).decode() for picture in found]


def test_the_page_stands_alone(found: Any) -> None:
    page = found.page.read_text()
    assert "No trial read the test part" in page
    assert "is not a finite number" in page
    assert page.count('<img src="data:image/svg+xml') >= 2
    assert not any("mathdefault" in picture for picture in pictures(page))
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (found.page.parent / "trials.csv").exists()
    # The folders of other trials would fill a disk.
    kept = [p for p in (found.page.parent / "trials").iterdir() if p.is_dir()]
    assert [int(p.name) for p in kept] == [found.best.number]


def results(found: list[Any]) -> list[Any]:
    return [(r.number, dict(r.values), r.result.outcome, r.result.value) for r in found]


def test_a_killed_search_goes_on_and_no_trial_reads_the_test_part(
    found: Any, songs: pd.DataFrame, tmp_path: Path
) -> None:
    """The same search, with other popularities in the test part, killed in its middle."""
    rows = found.run.split.parts["test"]
    spoiled = songs.copy()
    spoiled.loc[rows, "popularity"] = 100 - spoiled.loc[rows, "popularity"]
    spoiled.to_csv(tmp_path / "songs.csv", index=False)
    import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    words = ["tune", str(tmp_path / "corpus"), str(tmp_path / "run"), *WORDS]
    words += ["--trials", str(TRIALS)]
    journal = tmp_path / "run/tuning/journal.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "deephits_keras", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            if journal.exists() and '"result"' in journal.read_text():
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "run/config.json").exists()
    # As if it had been killed while writing.
    with journal.open("a") as file:
        file.write('{"op_code": 4, "wor')
    again = search(tmp_path / "corpus", tmp_path / "run")
    assert results(again.records) == results(found.records)
    assert again.best.number == found.best.number
    mine, other = again.run.metrics["parts"], found.run.metrics["parts"]
    assert mine["validation"] == other["validation"]
    assert mine["test"] != other["test"]


def test_what_can_not_be_searched_is_refused(
    corpus: Path, found: Any, tmp_path: Path, deephits: Deephits
) -> None:
    new = tmp_path / "run"
    for words, message in (
        ((corpus, new, "--search", "learnin_rate=1..2"), "Did you mean learning_rate"),
        ((corpus, new, "--search", "l2=-1..1"), "l2 must be from 0 to 1"),
        ((corpus, new, "--search", "l2=0..1", "--l2", "0.1"), "leave out one of the two"),
        ((corpus, new, "--search", "fusion.members=2..4", "--fusion", "early"), "no trial of this"),
        ((corpus, new, "--metric", "r2", "--task", "tiers-3"), "no validation metric 'r2'"),
        ((corpus, new, "--space", tmp_path / "none.toml"), "can't be read"),
        ((corpus, new, "--time-limit", "0"), "must be above 0"),
        ((tmp_path, new), "is not a corpus"),
        ((corpus, new, "--search", "fusion.units=64,128+-1"), "units must be 1 or more"),
        ((corpus, new, "--seed", "-1"), "--seed must be from 0 to"),
        ((corpus, found.run.folder, *WORDS, "--epochs", "3"), "a search that differs in epochs: "),
        ((corpus, found.run.folder, *WORDS, "--search", "l2=0..1"), "differs in search space: "),
        ((corpus, corpus, "--search", "l2=0..1"), "is not empty"),
    ):
        refused = deephits("tune", *words)
        assert refused.code == 2, refused.err
        assert message in refused.err
        assert not new.exists()


def test_the_end_of_a_search_ends_a_trial(corpus: Path, tmp_path: Path) -> None:
    plan = plan_tuning(
        corpus,
        tmp_path / "run",
        search={"dropout": "0..0.4"},
        time_limit=0.02,
        recipe="paper",
        modalities="meta=numeric",
        task="tiers-3",
        training={"epochs": 10**5, "optimizer": "sgd"},
    )
    (record,) = carry_out_all(plan.search, plan.training, report=lambda _: None)
    assert record.result.outcome == "out of time"
    assert 0 < record.result.epochs < 10**5
    assert best_of(plan.search, [record]) == record
