"""`deephits compare`: equal splits, resumable, and the leaks of others' pipelines found."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, Split

pytestmark = pytest.mark.usefixtures("eager")

TRACKS = 120
FEW = ("--seeds", "1", "--jobs", "1", "--epochs", "1")


def write_songs(path: Path, spoil: list[int] | None = None) -> None:
    rng = np.random.default_rng(5)
    energy, tempo = rng.random(TRACKS), rng.normal(120, 20, TRACKS)
    songs = pd.DataFrame(
        {
            "track_id": [f"t{k}" for k in range(TRACKS)],
            "name": [f"song {k}" for k in range(TRACKS)],
            "artist_name": [f"artist {k % 60}" for k in range(TRACKS)],
            "release_year": rng.integers(1990, 2020, TRACKS),
            "energy": energy,
            "tempo": tempo,
            "artist_popularity": rng.integers(0, 100, TRACKS),
            "streams": rng.integers(0, 10**6, TRACKS),
            "popularity": np.clip(20 + 60 * energy + rng.normal(0, 5, TRACKS), 0, 100).round(),
        }
    )
    songs.loc[spoil or [], ["energy", "tempo", "artist_popularity"]] = [0.999, 219.0, 100]
    songs.to_csv(path, index=False)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "songs.csv"
    write_songs(path)
    return path


@pytest.fixture
def corpus(songs: Path, tmp_path: Path, deephits: Callable[..., Any]) -> Path:
    assert deephits("import", "table", songs, tmp_path / "corpus").code == 0
    return tmp_path / "corpus"


def results(out: Path) -> dict[str, Any]:
    return {
        path.parent.relative_to(out).as_posix(): json.loads(path.read_text())
        for path in out.glob("runs/*/*/*/*/result.json")
    }


def test_it_measures_on_equal_splits_and_goes_on(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    # The sound and the words of a recipe that is itself without them may lack.
    words = ("compare", corpus, out, "--recipes", "paper,interiano2018,dbis-fcn", *FEW)
    more = ("--protocol", "artist,date", "--controls", "0")
    outcome = deephits(*words, *more, "--json")
    assert outcome.code == 0, outcome.err
    board = json.loads(outcome.out)
    names = {"paper", "interiano2018", "majority", "boosting"}
    assert {b["protocol"] for b in board["boards"]} == {"artist", "date"}
    for each in board["boards"]:
        assert {line["recipe"] for line in each["lines"]} == names
    assert "it needs" in board["left_out"]["dbis-fcn"]
    assert set(board["without"]["paper"]) == {"mel", "lyrics"}
    found = results(out)
    tracks = {name.split("/")[1]: row["tracks"] for name, row in found.items()}
    assert all(row["tracks"] == tracks[name.split("/")[1]] for name, row in found.items())
    for name in ("leaderboard.html", "leaderboard.md", "rows.csv"):
        assert "paper" in (out / name).read_text()
    assert "±" not in (out / "leaderboard.md").read_text(), "one seed has no spread"
    page = (out / "leaderboard.html").read_text()
    assert "Control p: " in page
    assert '<span class="whole">meta=numeric</span>' in page
    assert "`" not in page, "Markdown in HTML"

    # A trial that was cut off gives the same again, whatever was trained before it in the process.
    cut = "runs/artist/tiers-3/paper/seed-0"
    shutil.rmtree(out / cut)
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*/*/*/result.json")}
    again = deephits(*words, *more)
    assert again.code == 0, again.err
    assert results(out)[cut]["metrics"] == found[cut]["metrics"]
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    refused = deephits("compare", corpus, out, "--recipes", "paper", "--seeds", "1")
    assert refused.code == 2
    assert "other training" in refused.err


def test_trained_weights_know_nothing_of_held_out_tracks(
    songs: Path, corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    """Scalers, autoencoders and vocabularies are fitted after the split."""
    recipes = ("paper", "hitmusicnet")
    first, second = tmp_path / "first", tmp_path / "second"
    options = ("--recipes", ",".join(recipes), "--controls", "0", *FEW)
    assert deephits("compare", corpus, first, *options).code == 0
    split = Split.from_parquet(first / "splits" / "artist" / "seed-0.parquet")
    spoilt = tmp_path / "spoilt.csv"
    write_songs(spoilt, split.parts["test"].tolist())
    assert deephits("import", "table", spoilt, tmp_path / "other").code == 0
    assert deephits("compare", tmp_path / "other", second, *options).code == 0
    from deephits_keras.runs.run import Run

    for recipe in recipes:
        runs = [out / f"runs/artist/tiers-3/{recipe}/seed-0/run" for out in (first, second)]
        weights = [[w.numpy() for w in Run(run).model.weights] for run in runs]
        for mine, other in zip(*weights, strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_leak_turns_the_page_red(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    options = ("--recipes", "interiano2018", "--seeds", "1", "--jobs", "1")
    honest = deephits("compare", corpus, out, *options)
    assert honest.code == 0, honest.err
    assert "TARGET LEAKAGE" not in (out / "leaderboard.html").read_text()
    # The oldest mistake there is: the songs that are asked for were trained on.
    path = out / "splits" / "artist" / "seed-0.parquet"
    split = Split.from_parquet(path)
    rows = np.arange(TRACKS)
    parts = {"train": rows, "validation": split.parts["validation"], "test": split.parts["test"]}
    pd.DataFrame(
        [(row, f"t{row}", part) for part, own in parts.items() for row in own],
        columns=["row", "track_id", "part"],
    ).pipe(lambda lines: _keep(lines, path))
    shutil.rmtree(out / "controls")
    shutil.rmtree(out / "runs")
    leaky = deephits("compare", corpus, out, *options)
    assert leaky.code == 1
    assert "TARGET LEAKAGE" in leaky.err
    assert '<p class="banner bad">TARGET LEAKAGE' in (out / "leaderboard.html").read_text()


def _keep(lines: pd.DataFrame, path: Path) -> None:
    lines.attrs = {"kind": "artist", "seed": 0}
    lines.to_parquet(path, index=False)


def test_what_is_known_after_the_release_is_refused(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    options = ("--numeric-columns", "energy,streams", "--post-release", "streams")
    outcome = deephits(
        "compare", corpus, tmp_path / "out", "--recipes", "boosting", *options, *FEW, "--json"
    )
    assert outcome.code == 0, outcome.err
    board = json.loads(outcome.out)
    assert "streams, which is only known after" in board["left_out"]["boosting"]


def test_a_corpus_may_mark_what_is_known_after_the_release(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    words = ("compare", corpus, out, "--recipes", "boosting", "--controls", "0", *FEW)
    assert deephits(*words).code == 0
    info = json.loads((corpus / "corpus.json").read_text())
    (corpus / "corpus.json").write_text(json.dumps({**info, "post_release": ["energy"]}))
    refused = deephits(*words)
    assert refused.code == 2
    assert "other post_release" in refused.err
    shutil.rmtree(out)
    outcome = deephits(*words, "--json")
    assert "energy, which is only known after" in json.loads(outcome.out)["left_out"]["boosting"]


def test_a_column_that_is_the_popularity_is_told(
    songs: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    """The control can't find it: such a column doesn't have the shuffled popularity."""
    table = pd.read_csv(songs)
    table["streams"] = 1000 * table["popularity"] + 7
    table.to_csv(tmp_path / "songs.csv", index=False)
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    assert deephits("import", "table", tmp_path / "songs.csv", corpus).code == 0
    words = ("compare", corpus, out, "--recipes", "boosting", *FEW)
    outcome = deephits(*words, "--numeric-columns", "tempo,streams")
    assert outcome.code == 0, outcome.err
    assert "NEARLY THE POPULARITY ITSELF" in outcome.out
    assert "streams (1.000)" in outcome.out
    assert "streams (1.000)" in (out / "leaderboard.html").read_text()
    honest = deephits("compare", corpus, tmp_path / "honest", "--recipes", "boosting", *FEW)
    assert "NEARLY" not in honest.out


def test_what_a_board_does_not_tell_is_said(
    songs: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    table = pd.read_csv(songs)
    table.loc[:59, "artist_name"] = None
    table["popularity"] = 10 + table["popularity"] / 10
    table.to_csv(tmp_path / "songs.csv", index=False)
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    assert deephits("import", "table", tmp_path / "songs.csv", corpus).code == 0
    words = ("compare", corpus, out, "--recipes", "boosting", "--controls", "0", *FEW)
    outcome = deephits(*words, "--task", "tiers-3,regression", "--protocol", "artist,random")
    assert outcome.code == 0, outcome.err
    page, text = (out / "leaderboard.html").read_text(), (out / "leaderboard.md").read_text()
    for told in (outcome.out, page):
        assert "nothing: tiers-3 by artist, tiers-3 by random." in told, "nor of regression"
    split = Split.from_parquet(out / "splits" / "artist" / "seed-0.parquet")
    held_out = np.concatenate([rows for part, rows in split.parts.items() if part != "train"])
    unknown = Corpus.open(corpus).column("artist_name").isna().to_numpy()[held_out].sum()
    assert unknown
    for told in (outcome.out, page, text):
        assert f"{unknown} of {len(held_out)} held-out tracks name no artist" in told
    # Tracks without an artist are no fault of a random split.
    assert text.count("name no artist") == 2, "one line for each task"


def test_a_recipe_without_artists_or_years_is_left_out(
    songs: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    table = pd.read_csv(songs).drop(columns="release_year")
    table.to_csv(tmp_path / "songs.csv", index=False)
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    assert deephits("import", "table", tmp_path / "songs.csv", corpus).code == 0
    words = ("compare", corpus, out, "--recipes", "interiano2018", "--controls", "0", *FEW)
    outcome = deephits(*words)
    assert outcome.code == 0, outcome.err
    assert "interiano2018 is skipped: This corpus has no dates" in outcome.out


def test_rows_of_a_changed_recipe_are_not_mixed(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    words = ("compare", corpus, out, "--recipes", "pachet2008", "--controls", "0", *FEW)
    assert deephits(*words).code == 0
    settings = json.loads((out / "settings.json").read_text())
    settings["recipes"]["pachet2008"] = "of an earlier version"
    (out / "settings.json").write_text(json.dumps(settings))
    refused = deephits(*words)
    assert refused.code == 2
    assert "'pachet2008' has changed" in refused.err
    # It is no part of this one.
    assert deephits("compare", corpus, out, "--recipes", "majority", *FEW).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--recipes", ""), "at least one recipe"),
        (("--protocol", ","), "at least one protocol"),
        (("--task", ""), "at least one task"),
        (("--protocol", "artists"), "Protocols: random, artist, date"),
        (("--post-release", "stream"), "did you mean streams?"),
        (("--jobs", "0"), "must be positive, or -1"),
    ],
)
def test_mistakes_are_told(
    options: tuple[str, str], said: str, corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    outcome = deephits("compare", corpus, tmp_path / "out", *options)
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "out").exists()


def test_a_setting_of_a_modality_is_for_the_encoders_that_have_it(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    """The others are trained without it: they would else lack what they read."""
    words = ("compare", corpus, tmp_path / "out", "--recipes", "paper,hitmusicnet")
    outcome = deephits(*words, "--meta-units", "4", "--controls", "0", *FEW, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["left_out"] == {}
    lines = {line["recipe"]: line for line in found["boards"][0]["lines"]}
    assert lines["hitmusicnet"]["modalities"] == "meta=scaled_fields"
    assert found["without_effect"] == {"hitmusicnet": ["meta"]}
    (path,) = (tmp_path / "out").glob("runs/*/*/paper/*/run/config.json")
    assert json.loads(path.read_text())["modalities"]["meta"]["config"]["units"] == 4


def test_a_folder_of_something_else_is_refused_without_keras(corpus: Path) -> None:
    program = (
        "import sys; from deephits_keras.cli import main\n"
        f"try: main(['compare', {str(corpus)!r}, {str(corpus)!r}])\n"
        "except SystemExit as stop: print(stop.code, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "is not empty: choose another folder" in done.stderr
    assert done.stdout.split() == ["2", "False"]


def test_a_killed_worker_ends_it_in_words_and_it_goes_on(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    """As the kernel does for lack of memory."""
    out = tmp_path / "out"
    words = ("compare", corpus, out, "--recipes", "boosting", "--seeds", "4", "--controls", "0")

    def kill_workers_in_the_middle() -> None:
        for _ in range(3000):
            time.sleep(0.02)
            if any(out.glob("runs/*/*/*/*/result.json")):
                break
        # An earlier comparison of this process may have started them.
        for worker in multiprocessing.active_children():
            if worker.pid and worker.name.startswith("Loky"):
                os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_workers_in_the_middle)
    killer.start()
    killed = deephits(*words, "--jobs", "2")
    killer.join()
    assert killed.code == 1
    assert "worker process was ended from outside" in killed.err
    assert "fewer --jobs" in killed.err
    assert "Traceback" not in killed.err
    kept = results(out)
    assert 0 < len(kept) < 8
    again = deephits(*words, "--jobs", "1")
    assert again.code == 0, again.err
    assert len(results(out)) == 8
    assert kept.items() <= results(out).items()


def test_no_track_is_in_a_split_twice(
    corpus: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    options = ("--recipes", "majority", "--protocol", "random,artist,date", "--controls", "0")
    assert deephits("compare", corpus, out, *options, *FEW).code == 0
    for path in out.glob("splits/*/*.parquet"):
        rows = np.concatenate(list(Split.from_parquet(path, TRACKS).parts.values()))
        assert len(set(rows.tolist())) == len(rows) == len(Corpus.open(corpus))
