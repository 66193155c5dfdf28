"""A run with fitted decoding: the same tier wherever a tier is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import import_table
from deephits_keras.runs.files import CALIBRATION, CONFIG
from deephits_keras.runs.run import Run

pytestmark = pytest.mark.usefixtures("eager")

Deephits = Callable[..., Any]
SONGS = 400


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few songs are popular, and a field hints at which: none of them is likelier so than not."""
    from deephits_keras.cli import main

    folder = tmp_path_factory.mktemp("decoded")
    rng = np.random.default_rng(0)
    popular = rng.random(SONGS) < 0.15
    songs = pd.DataFrame({"track_id": [f"t{n:03}" for n in range(SONGS)]})
    songs["popularity"] = np.where(popular, 80, rng.integers(30, 60, SONGS))
    songs["tempo"] = rng.normal(100 + 20 * popular, 20)
    songs.to_csv(folder / "songs.csv", index=False)
    import_table(folder / "songs.csv", folder / "corpus")
    words = f"train {folder / 'corpus'} {folder / 'run'} --modalities meta=numeric --epochs 4"
    words += " --recipe paper --batch-size 32 --max-learning-rate 0.01 --validation 0.3 --test 0.3"
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--task", "tiers-3", "--decoding", "macro-f1", "--coverage", "0.8"])
    assert not stop.value.code
    return folder / "run"


def asked(deephits: Deephits, *words: object) -> Any:
    outcome = deephits(*words, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_training_fits_it_and_says_what_it_did(finished: Path) -> None:
    run = Run(finished)
    decoding = run.calibration.decoding
    assert decoding.alpha > 0
    assert (
        json.loads((finished / "metrics.json").read_text())["decoding"]["alpha"] == decoding.alpha
    )
    assert decoding.decoded_f1 is not None
    assert decoding.likeliest_f1 is not None
    assert decoding.decoded_f1 > decoding.likeliest_f1 + 0.02
    assert "decoding <code>macro-f1</code>" in (finished / "report.html").read_text()
    popularity = pd.read_csv(finished.parent / "songs.csv")["popularity"].to_numpy()
    trained = np.bincount(run.task.tiers.of(popularity[run.split.parts["train"]]), minlength=3)
    np.testing.assert_allclose(decoding.shares, (trained + 1) / (trained.sum() + 3))


def test_tiers_are_of_the_adjusted_scores_and_sets_are_not(finished: Path) -> None:
    run = Run(finished)
    decoding, told = run.calibration.decoding, run.predictions
    scores = told[[f"score_{tier}" for tier in range(3)]].to_numpy()
    wanted = (scores / np.array(decoding.shares) ** decoding.alpha).argmax(axis=1)
    np.testing.assert_array_equal(told["tier"], wanted)
    assert (wanted != scores.argmax(axis=1)).mean() > 0.03
    sets = run.calibration.tier_sets(scores)
    within = 1 - scores <= run.calibration.threshold
    assert (within <= sets).all()
    for tiers in (scores.argmax(axis=1), told["tier"]):
        assert sets[np.arange(len(scores)), tiers].all()
    assert run.metrics["parts"]["validation"]["conformal"]["coverage"] >= 0.8


def test_every_verb_tells_the_same_tier(finished: Path, deephits: Deephits, tmp_path: Path) -> None:
    # Its packages aren't where the tests of the backends run (`make test-torch`).
    from deephits_keras.serve.kserve import InferRequest, answer
    from deephits_keras.serve.schema import ModelInfo

    run = Run(finished)
    told = run.predictions
    scores = told[[f"score_{tier}" for tier in range(3)]].to_numpy()
    moved = told[told["tier"] != scores.argmax(axis=1)].iloc[0]
    songs = pd.read_csv(finished.parent / "songs.csv")
    tempo = songs.set_index("track_id").loc[moved["track_id"], "tempo"]
    song = ("--set", f"tempo={tempo}")
    recorded = json.loads((finished / "metrics.json").read_text())
    assert asked(deephits, "evaluate", finished)["parts"] == recorded["parts"]
    assert asked(deephits, "predict", finished, *song)["tier"] == moved["tier"]
    assert asked(deephits, "explain", finished, *song)["prediction"]["tier"] == moved["tier"]
    exported = deephits("export", finished, tmp_path / "bundle")
    assert exported.code == 0, exported.err
    assert deephits("verify", tmp_path / "bundle").code == 0
    assert "share ^" in (tmp_path / "bundle" / "README.md").read_text()
    rows = songs.set_index("track_id").loc[told["track_id"]].drop(columns="popularity")
    rows.to_csv(tmp_path / "rows.csv")
    for name, model in (("run", finished), ("bundle", tmp_path / "bundle")):
        out = tmp_path / f"{name}.csv"
        done = deephits("predict", model, "--table", tmp_path / "rows.csv", "--out", out)
        assert done.code == 0, done.err
        np.testing.assert_array_equal(pd.read_csv(out)["tier"], told["tier"])
    body, _ = answer(InferRequest([]), np.log(scores), ModelInfo.from_model(run))
    outputs = {each["name"]: each["data"] for each in json.loads(body)["outputs"]}
    assert outputs["tier"] == told["tier"].tolist()


def test_a_run_of_an_earlier_version_has_the_largest_score(finished: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(finished, tmp_path / "run"))
    calibration = json.loads((old / CALIBRATION).read_text())
    del calibration["decoding"]
    (old / CALIBRATION).write_text(json.dumps(calibration))
    config = json.loads((old / CONFIG).read_text())
    del config["training"]["decoding"]
    (old / CONFIG).write_text(json.dumps(config))
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.46, 0.44]])
    np.testing.assert_array_equal(
        Run(old).task.decode(np.log(scores)).tiers(Run(old).task.tiers), [0, 1]
    )
    assert Run(old).config.training.decoding == "likeliest"


def test_a_decoding_for_other_tiers_is_the_users_to_know(
    finished: Path, tmp_path: Path, deephits: Deephits
) -> None:
    spoiled = Path(shutil.copytree(finished, tmp_path / "run"))
    calibration = json.loads((spoiled / CALIBRATION).read_text())
    calibration["decoding"]["shares"] = [0.5, 0.5]
    (spoiled / CALIBRATION).write_text(json.dumps(calibration))
    outcome = deephits("predict", spoiled, "--set", "tempo=120")
    assert outcome.code == 2
    assert "decoding" in outcome.err
