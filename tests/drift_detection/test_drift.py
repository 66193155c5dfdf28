"""`deephits drift` on a tiny run: its own corpus, a like one, and one that has drifted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.corpus import import_table
from deephits_keras.verification import verify

pytestmark = pytest.mark.usefixtures("eager")

Deephits = Callable[..., Any]

TRACKS = 240


def songs(seed: int, *, moved: float = 0.0, tracks: int = TRACKS) -> pd.DataFrame:
    """Songs whose popularity follows their artist's; `moved` moves tempo and popularity."""
    rng = np.random.default_rng(seed)
    artist = rng.uniform(0, 100, tracks).round()
    popularity = 0.7 * artist + 40 * moved * rng.random(tracks) + rng.normal(0, 5, tracks)
    return pd.DataFrame(
        {
            "track_id": [f"s{seed}-{n:03}" for n in range(tracks)],
            "popularity": np.clip(popularity, 0, 100).round(1),
            "artist_popularity": artist,
            "tempo": rng.normal(120 + 40 * moved, 20, tracks).round(1),
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run."""
    folder = tmp_path_factory.mktemp("drift")
    dh.train(
        make(folder, "corpus", songs(0)),
        folder / "run",
        recipe="paper",
        modalities="meta=numeric",
        task="tiers-3",
        training={"epochs": 1, "batch_size": 64},
    )
    return folder


def make(folder: Path, name: str, table: pd.DataFrame) -> Path:
    table.to_csv(folder / f"{name}.csv", index=False)
    import_table(folder / f"{name}.csv", folder / name)
    return folder / name


def extracted(folder: Path, name: str, table: pd.DataFrame) -> Path:
    corpus = make(folder, name, table)
    dh.extract(corpus, modalities="meta=numeric", jobs=1)
    return corpus


def test_a_corpus_that_has_drifted(place: Path, deephits: Deephits) -> None:
    corpus = extracted(place, "moved", songs(1, moved=1.0))
    outcome = deephits("drift", place / "run", corpus, "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["drift"] is True
    by = {(each["name"], each["of"]): each for each in told["comparisons"]}
    assert by["tempo", "values"]["drift"]
    assert not by["artist_popularity", "values"]["drift"]
    assert by["meta", "features"]["effect"] > 0.75
    assert by["popularity", "popularity"]["drift"]
    for change in told["metrics"].values():
        assert change["low"] <= change["difference"] <= change["high"]
    page = Path(told["page"])
    assert json.loads(page.with_suffix(".json").read_text()) == told
    assert page.parent == place / "run" / "drift"
    assert "Drift was found in tempo" in page.read_text(encoding="utf-8")
    assert verify(place / "run").whole


def test_a_corpus_like_the_runs_own(place: Path, deephits: Deephits) -> None:
    corpus = extracted(place, "alike", songs(2))
    found = dh.drift(place / "run", corpus, out=place / "pages")
    assert found.drift is False
    assert found.page.parent == place / "pages"
    run = dh.Run(place / "run")
    reported = run.metrics["parts"][run.reported_part]
    assert found.metrics["macro_f1"].held_out == pytest.approx(reported["tiers-3"]["macro_f1"])
    everywhere = dh.evaluate(run, corpus=corpus)["all"]
    assert found.metrics["spearman"].corpus == pytest.approx(everywhere["ranking"]["spearman"])
    assert set(found.metrics) == {"macro_f1", "accuracy", "mae", "spearman"}
    assert len(found.to_frame()) == len(found.comparisons) > 3
    outcome = deephits("drift", place / "run", corpus, "--fields-only")
    assert outcome.code == 0
    assert "No drift was found" in outcome.out


def test_training_tracks_are_left_out_and_it_says_so(place: Path) -> None:
    own = dh.drift(place / "run", place / "corpus")
    assert own.drift is False
    assert own.corpus == TRACKS - own.training
    assert own.notes[0].startswith("This is the run's own corpus")
    assert not own.metrics
    both = pd.concat([songs(0), songs(3, moved=1.0)])
    found = dh.drift(place / "run", make(place, "both", both), fields_only=True)
    assert found.drift is True
    assert f"{own.training} of {2 * TRACKS} tracks are training tracks" in found.notes[0]
    again = songs(0).assign(tempo=lambda table: table["tempo"] + 60)
    changed = dh.drift(place / "run", make(place, "again", again), fields_only=True)
    assert changed.drift is True
    assert any("the id of a training track and other values" in note for note in changed.notes)


def test_what_is_not_known_is_not_compared(place: Path) -> None:
    flat = make(place, "flat", songs(4).assign(popularity=0.0))
    found = dh.drift(place / "run", flat)
    assert found.drift is False
    assert not found.tiers
    assert not found.metrics
    notes = " ".join(found.notes)
    assert "counts as unknown: all have the same" in notes
    assert "popularity: known of too few tracks" in notes
    assert "meta isn't compared" in notes
    assert "deephits extract" in notes
    assert '<code><span class="word">deephits</span>' in found.page.read_text()
    few = dh.drift(place / "run", make(place, "few", songs(5, tracks=12)))
    assert few.drift is None
    assert few.verdict == "Nothing can be told of drift."
    lacking = make(place, "lacking", songs(6).drop(columns="tempo"))
    found = dh.drift(place / "run", lacking)
    assert "tempo (unknown)" in found.verdict
    [unknown] = [e for e in found.comparisons if e.name == "tempo"]
    assert (unknown.of, unknown.now, unknown.drift) == ("unknown", "100.0%", True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "corpus", "--level", "2"), "--level is a rate between 0 and 1"),
        (("run", "corpus", "--out", __file__), "is a file: --out names a folder"),
        (("corpus", "corpus"), "is not a deephits run"),
        (("run", "run"), "is not a corpus"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    place: Path, deephits: Deephits, words: tuple[str, ...], message: str
) -> None:
    folders = [place / word if word in ("run", "corpus") else word for word in words]
    outcome = deephits("drift", *folders)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_fields_need_no_keras(place: Path) -> None:
    corpus = make(place, "light", songs(7))
    code = (
        "import sys\nfrom deephits_keras.cli import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "sys.exit(sorted({'keras', 'tensorflow'} & set(sys.modules)) or 0)\n"
    )
    words = ["drift", place / "run", corpus]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
