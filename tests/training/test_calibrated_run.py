"""Runs with a temperature and sets: the same calibrated scores wherever scores are shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus
from deephits_keras.runs.files import CALIBRATION, CHECKSUMS, MODEL
from deephits_keras.runs.run import Run
from deephits_keras.verification import verify

Deephits = Callable[..., Any]
SONG = ("--set", "artist_popularity=70", "--set", "tempo=120")


@pytest.fixture(scope="module", params=["tiers-3", "regression"])
def finished(
    request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from deephits_keras.cli import main

    run = tmp_path_factory.mktemp("calibrated") / request.param
    words = f"train {corpus.folder} {run} --modalities meta=numeric --epochs 6 --batch-size 16"
    words += " --max-learning-rate 0.01 --validation 0.3 --test 0.2 --split stratified"
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--task", request.param, "--calibrate", "auto", "--coverage", "0.8"])
    assert not stop.value.code
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / finished.name))


def with_temperature(run: Path, temperature: float) -> None:
    """A temperature that nobody can miss, whatever training found."""
    values = json.loads((run / CALIBRATION).read_text())
    values |= {"temperature": temperature, "kept": True}
    (run / CALIBRATION).write_text(json.dumps(values))


def answer(deephits: Deephits, verb: str, run: Path) -> dict[str, Any]:
    outcome = deephits(verb, run, *SONG, "--json")
    assert outcome.code == 0, outcome.err
    told: dict[str, Any] = json.loads(outcome.out)
    return told


def test_every_verb_shows_the_same_calibrated_scores(run: Path, deephits: Deephits) -> None:
    if run.name == "regression":
        return
    kept = json.loads((run / CALIBRATION).read_text())["kept"]
    with_temperature(run, 1.0)
    raw = np.log(list(answer(deephits, "predict", run)["scores"].values()))
    with_temperature(run, 2.0)
    told = answer(deephits, "predict", run)
    expected = np.exp(raw / 2) / np.exp(raw / 2).sum()
    # Scores are printed to six decimals; the logarithm of the smallest magnifies that.
    np.testing.assert_allclose(list(told["scores"].values()), expected, atol=2e-4)
    explained = answer(deephits, "explain", run)
    assert explained["prediction"] == {k: v for k, v in told.items() if k != "synthetic"}
    assert explained["score"] == pytest.approx(told["scores"][told["tier_label"]], abs=1e-5)
    assert explained["completeness_error"] < 0.01
    parts = [p["contribution"] for p in explained["modalities"]["meta"]["parts"]]
    difference = explained["score"] - explained["baseline_score"]
    assert sum(parts) == pytest.approx(difference, rel=0.01)
    assert kept in (True, False)


def test_metrics_and_predictions_are_of_the_calibrated_scores(
    run: Path, deephits: Deephits
) -> None:
    metrics = json.loads((run / "metrics.json").read_text())["parts"]
    outcome = deephits("evaluate", run, "--json")
    assert json.loads(outcome.out)["parts"] == metrics
    calibration = Run(run).calibration
    predictions = pd.read_parquet(run / "predictions.parquet")
    scored = predictions[predictions["part"] == "validation"]
    held = metrics["validation"]["conformal"]
    assert held["coverage"] >= 0.8
    assert calibration.tracks == len(scored)
    if run.name == "regression":
        misses = (scored["popularity"] - scored["predicted_popularity"]).abs()
        assert held["coverage"] == pytest.approx((misses <= calibration.threshold).mean())
        assert not calibration.kept
        return
    scores = scored[[f"score_{tier}" for tier in range(3)]].to_numpy()
    assert held["set_size"] == pytest.approx(calibration.tier_sets(scores).sum(axis=1).mean())
    loss = -np.log(scores[np.arange(len(scores)), scored["true_tier"]]).mean()
    assert metrics["validation"]["tiers-3"]["log_loss"] == pytest.approx(loss)


def test_the_model_of_a_run_carries_the_temperature(run: Path, corpus: Corpus) -> None:
    if run.name == "regression":
        return
    inputs = {"meta_fields": np.zeros((2, 14), "float32"), "meta_present": np.ones((2, 1))}
    with_temperature(run, 4.0)
    raw = keras.saving.load_model(run / MODEL, compile=False).predict_on_batch(inputs)
    np.testing.assert_allclose(Run(run).model.predict_on_batch(inputs), raw / 4, rtol=1e-6)


def test_predict_tells_the_set_and_its_coverage(
    run: Path, deephits: Deephits, tmp_path: Path
) -> None:
    told = answer(deephits, "predict", run)
    text = deephits("predict", run, *SONG).out
    songs = {"title": ["A", "B"], "tempo": [120, None], "artist_popularity": [70, None]}
    pd.DataFrame(songs).to_csv(tmp_path / "songs.csv", index=False)
    table = deephits("predict", run, "--table", tmp_path / "songs.csv", "--out", tmp_path / "o.csv")
    assert table.code == 0, table.err
    first, nothing = pd.read_csv(tmp_path / "o.csv").to_dict("records")
    assert told["coverage"] == first["coverage"] == 0.8
    assert np.isnan(nothing["coverage"])
    if run.name == "regression":
        low, high = told["interval"]
        assert low < told["popularity"] < high
        assert f"interval     {low:.1f}-{high:.1f} (80% coverage)" in text
        assert (first["low"], first["high"]) == (low, high)
        assert told["tier_set"] == []
    else:
        assert told["tier_label"] in told["tier_set"]
        assert f"tiers        {', '.join(told['tier_set'])} (80% coverage)" in text
        assert first["tier_set"] == " ".join(told["tier_set"])
        assert told["interval"] is None
    beside = deephits("predict", run, *SONG, "--also", run)
    assert beside.out.count("(80% coverage)") == 2


def test_a_run_of_an_earlier_version_is_whole_and_predicts_as_it_did(
    run: Path, deephits: Deephits
) -> None:
    with_temperature(run, 1.0)
    raw = answer(deephits, "predict", run)
    (run / CALIBRATION).unlink()
    assert [f.state for f in verify(run).findings] == ["missing"]
    recorded = json.loads((run / CHECKSUMS).read_text())
    del recorded[CALIBRATION]
    (run / CHECKSUMS).write_text(json.dumps(recorded))
    assert verify(run).whole
    told = answer(deephits, "predict", run)
    assert told == raw | {"tier_set": [], "interval": None, "coverage": None}
    # Put there afterwards: it changes what the run says, so it may not go unseen.
    (run / CALIBRATION).write_text('{"temperature": 3.0, "kept": true}')
    assert [Path(f.file).name for f in verify(run).findings] == [CHECKSUMS]


@pytest.mark.parametrize("spoiled", ['{"temperature": NaN, "kept": true}', "[]", "{"])
def test_a_spoiled_calibration_is_the_users_to_know(
    run: Path, deephits: Deephits, spoiled: str
) -> None:
    (run / CALIBRATION).write_text(spoiled)
    outcome = deephits("predict", run, *SONG)
    assert outcome.code == 2
    assert CALIBRATION in outcome.err


@pytest.mark.parametrize(("option", "value"), [("--coverage", "1"), ("--calibrate", "please")])
def test_settings_that_are_not_allowed_are_named(
    corpus: Corpus, tmp_path: Path, deephits: Deephits, option: str, value: str
) -> None:
    outcome = deephits("train", corpus.folder, tmp_path / "run", option, value)
    assert outcome.code == 2
    assert option.strip("-") in outcome.err
