"""The shallow baselines on a corpus whose popularity follows the metadata alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deephits_keras.corpus import Corpus
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.reproduction.results import shallow_tables
from deephits_keras.reproduction.shallow import (
    EARLY,
    LATE,
    WEIGHTED,
    Columns,
    measure,
    read_columns,
    read_shallow,
    run_shallow,
)
from deephits_keras.tasks import get_task


@pytest.fixture(scope="module")
def columns(corpus: Corpus) -> Columns:
    encoders = corpus_encoders(corpus, "meta")
    extract_features(corpus, encoders["meta"], jobs=1)
    return read_columns(corpus, encoders)


@pytest.fixture(scope="module", params=["logistic", "mlp", "boosting"])
def measured(request: pytest.FixtureRequest, corpus: Corpus, columns: Columns) -> dict[str, Any]:
    return measure(corpus, columns, get_task("tiers-3"), 0, family=request.param)


def test_columns_that_the_corpus_lacks_are_left_out(columns: Columns) -> None:
    assert columns.fields == {
        "tempo",
        "speechiness",
        "liveness",
        "key",
        "artist_popularity",
        "release_year",
    }
    assert columns.groups["metadata"] == ["meta.artist_popularity", "meta.release_year"]


def test_the_planted_group_is_found_and_the_other_is_noise(measured: dict[str, Any]) -> None:
    rows = measured["rows"]
    # Ranking by noise has an area of 0.5, with a deviation of about 0.07 for tiers of 5 to 8 of
    # twenty tracks; the artist's popularity ranks almost without error.
    assert rows["metadata-only"]["roc_auc"] > 0.85
    assert rows["descriptors-only"]["roc_auc"] < 0.75
    assert rows[EARLY]["accuracy"] > rows["descriptors-only"]["accuracy"]


def test_late_fusion_trusts_the_group_that_knows(measured: dict[str, Any]) -> None:
    assert measured["weights"]["metadata"] >= 0.5
    assert sum(measured["weights"].values()) == pytest.approx(1)
    assert measured["rows"][LATE]["roc_auc"] > 0.8


def test_the_fields_that_essentia_lacks_are_left_out_in_turn(measured: dict[str, Any]) -> None:
    sets = ["without speechiness", "without liveness", "without both"]
    fixed = ["descriptors-only", "metadata-only", EARLY, LATE, WEIGHTED]
    assert list(measured["rows"]) == [*fixed, *sets]


def test_without_both_fields_only_their_columns_go(columns: Columns) -> None:
    assert columns.without(["speechiness", "liveness"]).shape[1] == columns.table.shape[1] - 2
    assert columns.without(["key"]).shape[1] == columns.table.shape[1] - 13


def test_finished_seeds_are_not_measured_again(
    corpus: Corpus, columns: Columns, tmp_path: Path
) -> None:
    run_shallow(corpus, columns, tmp_path, ["A9"], range(2))
    (first, _) = sorted(tmp_path.rglob("seed-*.json"))
    first.write_text(first.read_text().replace('"family": "logistic"', '"family": "kept"'))
    run_shallow(corpus, columns, tmp_path, ["A9"], range(3))
    assert [r["family"] for r in read_shallow(tmp_path)] == ["kept", "logistic", "logistic"]


def test_results_are_the_same_with_several_processes(
    corpus: Corpus, columns: Columns, tmp_path: Path
) -> None:
    called = []
    for jobs in (1, 2):
        run_shallow(
            corpus,
            columns,
            tmp_path / str(jobs),
            ["6", "A9"],
            range(2),
            jobs=jobs,
            meanwhile=lambda: called.append("once"),
        )
    one, two = (read_shallow(tmp_path / str(jobs)) for jobs in (1, 2))
    assert one == two
    assert len(one) == 4
    assert called == ["once"] * 2


def test_each_seed_has_a_split_of_its_own(corpus: Corpus, columns: Columns) -> None:
    task = get_task("tiers-3")
    first, second, again = (measure(corpus, columns, task, seed)["rows"] for seed in (0, 1, 0))
    assert first == again
    assert first != second


def test_tables_show_mean_and_spread_beside_the_published(
    corpus: Corpus, columns: Columns, tmp_path: Path
) -> None:
    run_shallow(corpus, columns, tmp_path, ["6", "A8"], range(2))
    results = read_shallow(tmp_path)
    tables = shallow_tables(results)
    assert sorted(t.number for t in tables) == ["6", "A8", "A8"]
    lines = [v for t in tables if t.number == "6" for v in t.lines if v.name == EARLY]
    assert [v.source for v in lines] == ["measured", "published", "published, 5 seeds (A4)"]
    scores = [100 * r["rows"][EARLY]["macro_f1"] for r in results if r["task"] == "tiers-10"]
    assert lines[0].values[0].value == pytest.approx(sum(scores) / 2)
    assert scores[0] != scores[1]
    # The standard deviation of two values is their distance over the root of two.
    spread = abs(scores[0] - scores[1]) / 2**0.5
    assert lines[0].values[0].spread == pytest.approx(spread)
    assert lines[2].values[0].value == 23.46


def test_without_columns_there_is_nothing_to_do(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="no encoder of mel gives any"):
        read_columns(corpus, resolve_modalities("mel"))
