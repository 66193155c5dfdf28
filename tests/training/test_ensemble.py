"""Ensembles over seeds: an average of whole runs that everything works on."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, make_split
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.runs.files import CALIBRATION, CHECKSUMS, MODEL
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.trainer import new_run, train
from deephits_keras.verification import verify

pytestmark = pytest.mark.usefixtures("eager")

Deephits = Callable[..., Any]
SONG = ("--set", "artist_popularity=70", "--set", "tempo=120")
MEMBERS = ("members/seed-3", "members/seed-4")
COMPARED = ("history.csv", "metrics.json", "predictions.parquet", CALIBRATION, "architecture.json")


def begin(corpus: Corpus, folder: Path, task: str, fusion: str = "early", **changed: Any) -> Run:
    encoders = corpus_encoders(corpus, "meta")
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    settings = {
        "epochs": 3,
        "batch_size": 16,
        "max_learning_rate": 0.01,
        "seed": 3,
        "ensemble": 2,
        "coverage": 0.8,
        # Other tracks than those with a recording, so that a missing input has a vector.
        "learned_missing": "always",
        **changed,
    }
    split = make_split("stratified", corpus, validation=0.3)
    return new_run(
        folder,
        corpus,
        encoders,
        split,
        task=task,
        fusion=fusion,
        training=TrainingConfig(**settings),
    )


@pytest.fixture(scope="module")
def finished(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Train an ensemble once and give its folder, named after its task."""
    from deephits_keras.report.run_report import write_report

    @functools.cache
    def make(task: str = "tiers-3", fusion: str = "early") -> Path:
        folder = tmp_path_factory.mktemp("ensembles") / task
        train(begin(corpus, folder, task, fusion), corpus)
        write_report(folder)
        return folder

    return make


@pytest.fixture(
    params=["tiers-3 late", pytest.param("regression early", marks=pytest.mark.nightly)]
)
def each_run(request: pytest.FixtureRequest, finished: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of an ensemble of each task, and of each fusion."""
    folder = finished(*request.param.split())
    return Path(shutil.copytree(folder, tmp_path / folder.name))


@pytest.fixture
def run(finished: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a classifying ensemble."""
    return Path(shutil.copytree(finished(), tmp_path / "run"))


def answer(deephits: Deephits, *words: object) -> dict[str, Any]:
    outcome = deephits(*words, "--json")
    assert outcome.code == 0, outcome.err
    told: dict[str, Any] = json.loads(outcome.out)
    return told


def plain(run: Path) -> Path:
    """The run and its members without temperature."""
    for folder in (run, *(run / name for name in MEMBERS)):
        values = json.loads((folder / CALIBRATION).read_text())
        (folder / CALIBRATION).write_text(json.dumps(values | {"kept": False}))
    return run


def test_an_ensemble_says_the_mean_of_what_its_members_say(
    each_run: Path, deephits: Deephits
) -> None:
    plain(each_run)
    for song in (SONG, ("--set", "tempo=60")):
        members = [answer(deephits, "predict", each_run / name, *song) for name in MEMBERS]
        told = answer(deephits, "predict", each_run, *song)
        assert members[0]["popularity"] != members[1]["popularity"]
        # Printed to three decimals.
        mean = np.mean([m["popularity"] for m in members])
        assert told["popularity"] == pytest.approx(mean, abs=2e-3)
        for label, score in told["scores"].items():
            expected = np.mean([m["scores"][label] for m in members])
            assert score == pytest.approx(expected, abs=2e-6)


def test_missing_inputs_take_each_members_own_vector(each_run: Path) -> None:
    opened = Run(plain(each_run))
    members = [Run(each_run / name).model for name in MEMBERS]
    for number, member in enumerate(members):
        member.get_layer("meta_missing").vector.assign(np.full(64, 0.05 * (number + 1)))
        member.save(each_run / MEMBERS[number] / MODEL)
    inputs = {"meta_fields": np.zeros((1, 14), "float32"), "meta_present": np.zeros((1, 1))}
    outputs = [opened.task.decode(m.predict_on_batch(inputs)).popularity for m in members]
    told = opened.task.decode(opened.model.predict_on_batch(inputs)).popularity
    # float32, on a scale of 100.
    assert told == pytest.approx(np.mean(outputs), abs=1e-4)
    assert outputs[0] != pytest.approx(outputs[1], abs=1e-2)


def test_members_are_whole_runs_that_differ_in_their_seed_alone(
    run: Path, corpus: Corpus, tmp_path: Path
) -> None:
    for seed, name in enumerate(MEMBERS, start=3):
        assert verify(run / name).whole
        assert Run(run / name).config.training.seed == seed
    alone = begin(corpus, tmp_path / "alone", "tiers-3", ensemble=1)
    train(alone, corpus)
    for name in COMPARED:
        assert (alone.folder / name).read_bytes() == (run / MEMBERS[0] / name).read_bytes()


def test_metrics_explanations_and_importances_are_of_the_ensemble(
    each_run: Path, deephits: Deephits
) -> None:
    metrics = json.loads((each_run / "metrics.json").read_text())
    assert set(metrics["members"]) == set(MEMBERS)
    assert answer(deephits, "evaluate", each_run)["parts"] == metrics["parts"]
    assert metrics["parts"]["validation"]["conformal"]["coverage"] >= 0.8
    told = answer(deephits, "predict", each_run, *SONG)
    explained = answer(deephits, "explain", each_run, *SONG, "--out", each_run / "explained")
    score = told["scores"][told["tier_label"]] if told["scores"] else told["popularity"]
    assert explained["score"] == pytest.approx(score, rel=1e-4)
    assert explained["completeness_error"] < 0.01
    parts = explained["modalities"]["meta"]["parts"]
    assert max(parts, key=lambda p: abs(p["contribution"]))["name"] == "artist_popularity"
    difference = explained["score"] - explained["baseline_score"]
    assert sum(p["contribution"] for p in parts) == pytest.approx(difference, rel=0.01)
    importance = answer(
        deephits, "explain", each_run, "--repeats", "2", "--out", each_run / "explained"
    )
    group = "regression" if each_run.name == "regression" else "tiers-3"
    metric = "mae" if each_run.name == "regression" else "accuracy"
    # Sums in another order, in float32.
    metrics = metrics["parts"]["validation"][group]
    assert importance["metrics"][metric] == pytest.approx(metrics[metric], rel=1e-5)


def test_the_page_and_the_architecture_tell_of_the_members(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "An ensemble of 2 models with seeds 3, 4" in " ".join(page.split())
    single = json.loads((run / MEMBERS[0] / "architecture.json").read_text())
    whole = json.loads((run / "architecture.json").read_text())
    assert whole == single | {"members": 2}
    history = pd.read_csv(run / "history.csv")
    assert history.groupby("member").size().to_dict() == dict.fromkeys(MEMBERS, 3)
    for name in MEMBERS:
        assert (run / name / "report.html").exists()
    assert "An ensemble of" not in (run / MEMBERS[0] / "report.html").read_text()


@pytest.mark.parametrize("name", [MODEL, CHECKSUMS, "predictions.parquet"])
def test_damage_to_a_member_is_damage_to_the_ensemble(run: Path, name: str) -> None:
    assert verify(run).whole
    content = bytearray((run / MEMBERS[1] / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / MEMBERS[1] / name).write_bytes(content)
    found = {Path(f.file) for f in verify(run).findings}
    assert run / MEMBERS[1] / name in found
    assert {path.parent for path in found} == {run / MEMBERS[1]}


def test_a_member_of_another_ensemble_is_found(run: Path) -> None:
    shutil.rmtree(run / MEMBERS[1])
    shutil.copytree(run / MEMBERS[0], run / MEMBERS[1])
    (finding,) = verify(run).findings
    assert Path(finding.file) == run / MEMBERS[1] / CHECKSUMS
    shutil.rmtree(run / MEMBERS[1])
    assert not verify(run).whole


def test_a_member_that_is_another_model_is_refused(run: Path, deephits: Deephits) -> None:
    other = run / MEMBERS[1]
    config = json.loads((other / "config.json").read_text())
    config["modalities"]["meta"]["config"]["units"] = 8
    (other / "config.json").write_text(json.dumps(config))
    # What a member says of itself isn't read.
    assert deephits("predict", run, *SONG).code == 0
    shutil.copy(run / "metrics.json", other / MODEL)
    refused = deephits("predict", run, *SONG)
    assert refused.code == 2
    assert f"{other / MODEL} is damaged" in refused.err


class StopError(Exception):
    pass


@pytest.mark.parametrize(
    "stop",
    [
        ("members/seed-3", 2),
        pytest.param(("members/seed-4", 1), marks=pytest.mark.nightly),
        None,
    ],
)
def test_an_interrupted_ensemble_resumes_to_the_same_result(
    corpus: Corpus, tmp_path: Path, deephits: Deephits, run: Path, stop: Any
) -> None:
    broken = begin(corpus, tmp_path / "broken", "tiers-3")

    def report(metrics: Mapping[str, Any]) -> None:
        if (metrics["member"], metrics["epoch"]) == stop:
            raise StopError

    if stop:
        with pytest.raises(StopError):
            train(broken, corpus, report=report)
    else:
        # Killed after the last member, and in the middle of making another's folder before.
        shutil.copytree(run / "members", broken.folder / "members")
        (broken.folder / "members/seed-4/config.json").unlink()
        (broken.folder / "members/seed-4" / CHECKSUMS).unlink()
    assert deephits("predict", broken.folder, *SONG).code == 2
    assert not verify(broken.folder).whole
    resumed = deephits("train", corpus.folder, broken.folder, "--resume")
    assert resumed.code == 0, resumed.err
    assert verify(broken.folder).whole
    for name in COMPARED:
        assert (broken.folder / name).read_bytes() == (run / name).read_bytes()


def test_the_command_trains_an_ensemble(corpus: Corpus, tmp_path: Path, deephits: Deephits) -> None:
    words = f"train {corpus.folder} {tmp_path / 'run'} --modalities meta --epochs 9 --ensemble 2"
    limit = ("--time-limit", "0.0001")
    outcome = deephits(*words.split(), *limit, "--batch-size", "16", "--task", "tiers-3")
    assert outcome.code == 0, outcome.err
    assert "members/seed-1  epoch   1 of 9" in outcome.out
    ended = "The time limit of 0.0001 min ended the training after 1 or more of 9 epochs"
    assert ended in outcome.out
    assert re.search(r"^validation: Macro-F1 [\d.]+%, Accuracy [\d.]+%$", outcome.out, re.MULTILINE)
    assert "Kept epochs 1, 1." in outcome.out
    report = " ".join((tmp_path / "run" / "report.html").read_text().split())
    assert "shared by the models, which ended it after 1 or more of 9 epochs" in report
    assert deephits("verify", tmp_path / "run").code == 0
    again = deephits("train", corpus.folder, tmp_path / "run", "--resume")
    assert "nothing to resume" in again.err
    refused = deephits("train", corpus.folder, tmp_path / "other", *words.split()[3:-1], "0")
    assert refused.code == 2
    assert "ensemble must be from 1 to 100" in refused.err
