"""`deephits reproduce` from end to end, and its tables of deep models."""

from __future__ import annotations

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

from deephits_keras.cli import main
from deephits_keras.corpus import Corpus, Split, import_table
from deephits_keras.evaluation import baselines
from deephits_keras.reproduction import choices, deep, shallow
from deephits_keras.reproduction.deep import Row, read_rows
from deephits_keras.reproduction.results import deep_tables, optimism_table, table_5
from deephits_keras.verification import verify

pytestmark = pytest.mark.usefixtures("eager")

Deephits = Callable[..., Any]


@pytest.fixture(scope="module")
def out(corpus: Corpus, options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table 7 and the baselines under two protocols, one seed."""
    folder = tmp_path_factory.mktemp("reproduced") / "out"
    words = ["reproduce", str(corpus.folder), str(folder), "--table", "7,5", "--table", "A9"]
    words += ["--protocol", "paper", "--protocol", "artist", "--seeds", "1", *options]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert not stop.value.code
    return folder


def test_there_is_one_row_for_each_variant_protocol_and_seed(out: Path) -> None:
    rows = pd.read_csv(out / "rows.csv")
    variants = [("regression", "all features"), ("tiers-10", "all features")]
    variants += [("tiers-10", "without descriptors"), ("tiers-10", "without metadata")]
    variants += [("tiers-3", "all features")]
    expected = [(p, *v, 0) for p in ("paper", "artist") for v in variants]
    found = rows[["protocol", "task", "variant", "seed"]].itertuples(index=False, name=None)
    assert list(found) == expected
    assert rows.loc[rows["task"] == "regression", "tiers-3.macro_f1"].notna().all()


@pytest.mark.nightly
def test_beyond_has_a_line_a_setting_and_the_ablations_do_not(
    corpus: Corpus, tmp_path: Path, options: tuple[str, ...], deephits: Deephits
) -> None:
    words = ("--table", "beyond", "--seeds", "1", "--protocol", "holdout", "--json")
    done = deephits("reproduce", corpus.folder, tmp_path / "out", *words, *options)
    assert done.code == 0, done.err
    values = json.loads(done.out)
    settings = {"corn head", "cumulative head", "focal loss", "cost loss", "balanced weights"}
    settings |= {"temperature and sets", "ensemble of 3"}
    assert {row["variant"] for row in values["rows"]} == {"all features", *settings}
    shown = {(t["table"], t["row"]) for t in values["tables"]}
    assert {("beyond", f"tiers-3, {name}") for name in settings} <= shown
    assert not any(table in ("7", "A2") for table, _ in shown)
    compared = {c["model"] for c in values["comparisons"] if c["tiers"] == "tiers-10"}
    assert compared == {f"tiers-10, {name}" for name in settings}
    config = json.loads(
        (tmp_path / "out/runs/holdout/tiers-3/corn-head/seed-0/config.json").read_text()
    )
    assert config["fusion"]["head"] == "corn"


def test_the_paper_reports_where_it_selects_and_the_others_on_test_tracks(out: Path) -> None:
    for row in read_rows(out):
        assert row.part == ("validation" if row.protocol == "paper" else "test")
        split = Split.from_parquet(row.folder / "split.parquet")
        sizes = {part: len(rows) for part, rows in split.parts.items()}
        if row.protocol == "paper":
            assert sizes == {"train": 80, "validation": 20}
            assert row.metrics == row.selection
        else:
            assert sizes == {"train": 70, "validation": 10, "test": 20}


def test_every_variant_has_the_same_split_and_schedule(out: Path) -> None:
    for protocol in ("paper", "artist"):
        folders = [row.folder for row in read_rows(out) if row.protocol == protocol]
        assert len({(f / "split.parquet").read_bytes() for f in folders}) == 1
        training = [json.loads((f / "config.json").read_text())["training"] for f in folders]
        assert all(t == training[0] for t in training)


def test_no_artist_is_in_two_parts(out: Path, corpus: Corpus) -> None:
    (row,) = [r for r in read_rows(out) if (r.protocol, r.task) == ("artist", "regression")]
    artists = corpus.column("artist_name")
    parts = Split.from_parquet(row.folder / "split.parquet").parts
    shared = [set(artists[rows]) for rows in parts.values()]
    assert not shared[0] & shared[1] | shared[0] & shared[2] | shared[1] & shared[2]


def test_the_page_holds_every_table_and_figure_and_loads_nothing(out: Path) -> None:
    page = (out / "reproduction.html").read_text()
    for table in (
        "Table 2",
        "Table A3",
        "Table 5",
        "Table 7",
        "Table A9",
        "Published results on SpotGenTrack",
    ):
        assert table in page
    for figure in ("1", "3", "4", "5", "6", "7"):
        assert f"Figure {figure}." in page
    for said in ("published", "paper, 1 seed", "artist, 1 seed", "no artist is in two parts"):
        assert said in page
    assert not re.search(r"<script|\bsrc=\"(?!data:)|<link|@import|url\(", page)


def test_rows_json_and_tables_agree(out: Path) -> None:
    values = json.loads((out / "reproduction.json").read_text())
    (row,) = [r for r in values["rows"] if r["task"] == "tiers-3" and r["protocol"] == "paper"]
    metrics = json.loads((out / row["folder"] / "metrics.json").read_text())
    assert row["metrics"] == metrics["parts"]["validation"]
    tables = pd.read_csv(out / "tables.csv")
    (shown,) = tables[
        (tables["table"] == "5")
        & (tables["row"] == "classification tiers-3")
        & (tables["source"] == "paper")
        & (tables["column"] == "macro-F1 %")
    ]["value"]
    assert shown == pytest.approx(100 * row["metrics"]["tiers-3"]["macro_f1"])
    assert {c["reference"] for c in values["comparisons"]} == {
        "tiers-10, all features",
        "tiers-3, all features",
    }


def test_a_second_call_adds_what_is_new_and_repeats_nothing(
    out: Path, corpus: Corpus, options: tuple[str, ...], deephits: Deephits
) -> None:
    before = {p: p.stat().st_mtime_ns for p in out.rglob("model.keras")}
    words = ("--table", "5", "--protocol", "holdout", "--seeds", "1", "--json")
    done = deephits("reproduce", corpus.folder, out, *words, *options)
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert len(rows) == len(before) + 3
    assert {p: p.stat().st_mtime_ns for p in before} == before
    page = (out / "reproduction.html").read_text()
    assert "What selecting and reporting on the same tracks is worth" in page


def test_a_setting_that_a_later_version_added_is_what_was_done_before(
    out: Path, corpus: Corpus, options: tuple[str, ...], deephits: Deephits
) -> None:
    stored = json.loads((out / "settings.json").read_text())
    del stored["training"]["with_boosting"]
    (out / "settings.json").write_text(json.dumps(stored))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("model.keras")}
    done = deephits("reproduce", corpus.folder, out, "--table", "2", *options)
    assert done.code == 0, done.err
    assert {p: p.stat().st_mtime_ns for p in out.rglob("model.keras")} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epochs", "3"), "training.epochs was 2, now 3"),
        (("--fusion", "late"), "fusion.name was 'early', now 'late'"),
        (("--meta-units", "8"), "encoders.meta.config.units was 64, now 8"),
    ],
)
def test_other_settings_need_another_folder(
    out: Path,
    corpus: Corpus,
    options: tuple[str, ...],
    deephits: Deephits,
    words: tuple[str, ...],
    message: str,
) -> None:
    done = deephits("reproduce", corpus.folder, out, "--table", "2", *options, *words)
    assert done.code == 2
    assert message in done.err


def test_a_folder_that_holds_something_else_is_left_alone(
    corpus: Corpus, tmp_path: Path, options: tuple[str, ...], deephits: Deephits
) -> None:
    (tmp_path / "novel.txt").write_text("Call me Ishmael.")
    done = deephits("reproduce", corpus.folder, tmp_path, "--table", "2", *options)
    assert done.code == 2
    assert "is not empty" in done.err


def test_an_unknown_table_lists_the_known_ones(
    corpus: Corpus, tmp_path: Path, deephits: Deephits
) -> None:
    done = deephits("reproduce", corpus.folder, tmp_path / "out", "--table", "8")
    assert done.code == 2
    assert "There is no table '8' to compute. Tables: 2, 4, A1" in done.err


def test_a_corpus_that_can_not_be_split_so_is_refused_before_any_run(
    tmp_path: Path, deephits: Deephits
) -> None:
    table = pd.DataFrame({"track_id": list("abcdefghij"), "popularity": range(10), "tempo": 100})
    table.to_csv(tmp_path / "tracks.csv", index=False)
    import_table(tmp_path / "tracks.csv", tmp_path / "corpus")
    words = ("--table", "5", "--protocol", "all", "--modalities", "meta", "--jobs", "1")
    done = deephits("reproduce", tmp_path / "corpus", tmp_path / "out", *words)
    assert done.code == 2
    assert "This corpus has no artists" in done.err
    assert not (tmp_path / "out" / "runs").exists()


def test_a_run_that_fails_does_not_stop_the_others(
    corpus: Corpus, tmp_path: Path, options: tuple[str, ...], deephits: Deephits
) -> None:
    """A learning rate that makes losses infinite."""
    words = ("--table", "5", "--seeds", "1", "--max-learning-rate", "1e18")
    done = deephits("reproduce", corpus.folder, tmp_path / "out", *words, *options)
    assert done.code == 1
    assert "runs/paper/" in done.err
    assert (tmp_path / "out" / "reproduction.html").exists()


def appears(pattern: str) -> Callable[[Path], bool]:
    return lambda out: any(out.glob(pattern))


@pytest.mark.nightly
def test_killed_at_any_point_it_goes_on_to_the_same_rows(
    corpus: Corpus, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Killed as a run begins, as an epoch ends and as a run ends."""

    def command_to(folder: Path) -> list[str]:
        words = ["reproduce", str(corpus.folder), str(folder), "--table", "7", "--seeds", "1"]
        return [sys.executable, "-m", "deephits_keras", *words, *options]

    broken, whole = tmp_path / "out", tmp_path / "whole"
    # By graphs as the others: without them, sums are rounded otherwise.
    subprocess.run(command_to(whole), check=True, capture_output=True)
    command = command_to(broken)
    finished: dict[Path, int] = {}
    for moment in (
        appears("runs/*/*/*/seed-*/split.parquet"),
        appears("runs/*/*/*/seed-*/state/state.json"),
        appears("runs/*/*/*/seed-*/model.keras"),
    ):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not moment(broken) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        finished |= {p: p.stat().st_mtime_ns for p in broken.rglob("model.keras")}
    # Two moments that are too short to be hit: before a run's settings, and before its state goes.
    begun = broken / "runs/paper/tiers-10/all-features/seed-0"
    assert not begun.exists()
    begun.mkdir(parents=True)
    (begun / "split.parquet").touch()
    ended = next(iter(finished)).parent
    (ended / "state").mkdir(exist_ok=True)
    (ended / "checksums.json").unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True)
    assert {p: p.stat().st_mtime_ns for p in finished} == finished
    assert len(finished) < 3
    assert not list(broken.glob("runs/*/*/*/*/state"))
    assert verify(ended).whole
    found = [[row.to_json(folder) for row in read_rows(folder)] for folder in (broken, whole)]
    assert found[0] == found[1] != []


def row(protocol: str, seed: int, accuracy: float, *, task: str = "tiers-10") -> Row:
    def metrics(value: float) -> dict[str, Any]:
        names = ("macro_precision", "macro_recall", "macro_f1", "accuracy", "mae_unit")
        groups = (task, "tiers-3", "regression") if task == "regression" else (task,)
        return {g: dict.fromkeys(names, value) for g in (*groups, "tiers-10")}

    return Row(
        protocol=protocol,
        task=task,
        variant="all features",
        seed=seed,
        part="validation" if protocol == "paper" else "test",
        parameters=1,
        selected_epoch=1,
        metrics=metrics(accuracy),
        selection=metrics(accuracy + 0.1),
        folder=Path(),
    )


def test_protocols_are_beside_each_other_and_the_published_figures() -> None:
    rows = [row("paper", 0, 0.3), row("paper", 1, 0.4), row("holdout", 0, 0.2)]
    table = table_5(rows)
    assert table is not None
    accuracy = {(v.source, v.seeds): v.values[-1] for v in table.lines}
    assert list(accuracy) == [("paper", 2), ("holdout", 1), ("published", 0)]
    paper, holdout, published = accuracy.values()
    # Two values' standard deviation is their distance over the root of two.
    assert (paper.value, paper.spread) == (pytest.approx(35), pytest.approx(10 / 2**0.5))
    assert (holdout.value, holdout.spread) == (pytest.approx(20), None)
    assert published.value == 37.0


def test_optimism_is_validation_minus_test_of_the_same_checkpoints() -> None:
    table = optimism_table([row("paper", 0, 0.3), row("holdout", 0, 0.3), row("holdout", 1, 0.5)])
    assert table is not None
    accuracy = {v.source: v.values[1].value for v in table.lines}
    assert accuracy == pytest.approx({"validation": 50, "test": 40, "optimism": 10})


def test_the_bar_has_every_published_system_and_ours() -> None:
    rows = [row("paper", 0, 0.5, task=t) for t in ("tiers-3", "tiers-10", "regression")]
    (bar,) = [t for t in deep_tables(rows) if t.number == "bar"]
    sources = [(v.name, v.source) for v in bar.lines]
    assert ("tiers-3", "published: HitMusicNet tiers-3") in sources
    assert ("tiers-10", "published: DeepHits shallow early fusion tiers-10") in sources
    assert ("regression", "published: HitMusicNet regression") in sources
    ours = [v for v in bar.lines if v.source == "paper"]
    assert [v.name for v in ours] == ["tiers-3", "tiers-10", "regression"]


def test_the_command_offers_every_family_and_table() -> None:
    """Their names stand in a module of their own, so that `--help` imports nothing heavy."""
    assert choices.FAMILIES == baselines.FAMILIES
    assert set(choices.DEEP) == set(deep.TASKS_OF_TABLE)
    assert set(choices.SHALLOW) == set(shallow.TASKS_OF_TABLE)
