"""Training: it learns, resumes to the same bytes, and refuses what it can't do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, make_split
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.runs.run import Run
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tracks import Track
from deephits_keras.training.trainer import new_run, train
from deephits_keras.utils.records import to_plain

FAST = TrainingConfig(epochs=4, batch_size=16, max_learning_rate=0.01)
WRITTEN = ("history.csv", "metrics.json", "predictions.parquet", "split.parquet", "model.keras")


def make_run(corpus: Corpus, folder: Path, **options: Any) -> Run:
    encoders = corpus_encoders(corpus, "meta")
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    options = {"task": "tiers-3", "training": FAST, **options}
    return new_run(folder, corpus, encoders, make_split("stratified", corpus), **options)


class StopError(Exception):
    pass


def stop_after(epoch: int) -> Callable[[Mapping[str, Any]], None]:
    def report(metrics: Mapping[str, Any]) -> None:
        if metrics["epoch"] == epoch:
            raise StopError

    return report


def contents(folder: Path) -> dict[str, Any]:
    """What a run holds, for comparison: the model by its weights, since archives bear a date."""
    held: dict[str, Any] = {name: (folder / name).read_bytes() for name in WRITTEN[:-1]}
    model = Run(folder).model
    return held | {w.path: w.numpy().tobytes() for w in model.weights}


@pytest.mark.backends
@pytest.mark.parametrize("modality_dropout", [0.0, 0.3])
def test_an_interrupted_run_resumes_to_the_same_result(
    corpus: Corpus, tmp_path: Path, modality_dropout: float
) -> None:
    training = TrainingConfig(
        epochs=4, batch_size=16, max_learning_rate=0.01, modality_dropout=modality_dropout
    )
    whole = make_run(corpus, tmp_path / "whole", training=training)
    train(whole, corpus)
    broken = make_run(corpus, tmp_path / "broken", training=training)
    with pytest.raises(StopError):
        train(broken, corpus, report=stop_after(2))
    keras.utils.set_random_seed(99)
    train(Run(tmp_path / "broken"), corpus)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert not (tmp_path / "broken" / "state").exists()


@pytest.mark.backends
def test_the_seed_decides_the_run(corpus: Corpus, tmp_path: Path) -> None:
    folders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        training = TrainingConfig(epochs=1, batch_size=16, max_learning_rate=0.01, seed=seed)
        train(make_run(corpus, tmp_path / name, training=training), corpus)
        folders.append((tmp_path / name / "history.csv").read_bytes())
    assert folders[0] == folders[1] != folders[2]


@pytest.mark.parametrize(("task", "fusion"), [("tiers-3", "early"), ("regression", "late")])
def test_it_learns_what_the_columns_say(
    corpus: Corpus, tmp_path: Path, task: str, fusion: str
) -> None:
    training = TrainingConfig(epochs=20, batch_size=16, max_learning_rate=0.02)
    train(make_run(corpus, tmp_path / "run", fusion=fusion, task=task, training=training), corpus)
    predicted = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    found = np.corrcoef(predicted["popularity"], predicted["predicted_popularity"])[0, 1]
    # Of 24 validation tracks, no information gives a correlation of 0 with a deviation of 0.2.
    assert found > 0.6


def test_the_kept_checkpoint_is_the_best_epoch(corpus: Corpus, tmp_path: Path) -> None:
    train(make_run(corpus, tmp_path / "run"), corpus)
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    best = history["validation_macro_f1_present"].max()
    kept = history.loc[metrics["selected_epoch"] - 1]
    assert kept["validation_macro_f1_present"] == best
    found = metrics["parts"]["validation"]["tiers-3"]["macro_f1"]
    assert found == pytest.approx(kept["validation_macro_f1"])


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_loads(corpus: Corpus, tmp_path: Path, precision: str) -> None:
    training = TrainingConfig(epochs=2, batch_size=16, max_learning_rate=0.01, precision=precision)
    train(make_run(corpus, tmp_path / "run", training=training), corpus)
    model = Run(tmp_path / "run").model
    assert model.get_layer("fusion_1").compute_dtype == precision.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("batch_size", "told"), [(16, "The loss of epoch 1"), (200, "A prediction after epoch 1")]
)
def test_a_training_that_diverges_says_what_to_do(
    corpus: Corpus, tmp_path: Path, batch_size: int, told: str
) -> None:
    training = dataclasses.replace(FAST, max_learning_rate=1e12, batch_size=batch_size)
    run = make_run(corpus, tmp_path / "run", training=training)
    with pytest.raises(DeepHitsError, match=f"{told}.*lower --max-learning-rate"):
        train(run, corpus)


def test_class_weights_bring_recall_to_rare_tiers(corpus: Corpus, tmp_path: Path) -> None:
    """Balanced weights make the model say the rare tiers more often than it does without."""
    rare = {}
    for weights in ("none", "balanced"):
        training = TrainingConfig(
            epochs=10, batch_size=32, max_learning_rate=0.003, class_weights=weights
        )
        train(make_run(corpus, tmp_path / weights, training=training), corpus)
        predicted = pd.read_parquet(tmp_path / weights / "predictions.parquet")
        rare[weights] = predicted[["score_0", "score_2"]].sum(axis=1).mean()
    assert rare["balanced"] > rare["none"]


def test_a_run_knows_its_corpus(corpus: Corpus, tmp_path: Path) -> None:
    run = make_run(corpus, tmp_path / "run")
    config = json.loads((run.folder / "config.json").read_text())
    config["corpus"]["fingerprint"] = "0" * 64
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="is not the corpus that"):
        train(Run(run.folder), corpus)


def test_a_folder_that_holds_something_is_left_alone(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("It was a dark and stormy night.")
    with pytest.raises(UserError, match="is not empty"):
        make_run(corpus, tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("anneal", "sudden"), ("precision", "float8"), ("modality_dropout", 1.0)],
)
def test_a_setting_that_is_not_allowed_is_named(setting: str, value: Any) -> None:
    with pytest.raises(UserError, match=setting):
        TrainingConfig(**{setting: value})


def test_training_settings_round_trip_through_json() -> None:
    config = TrainingConfig(epochs=3, anneal="cos")
    assert TrainingConfig.from_settings(json.loads(json.dumps(to_plain(config)))) == config
    with pytest.raises(UserError, match="there is no 'epoch'"):
        TrainingConfig.from_settings({"epoch": 3})


def test_a_prediction_says_what_was_missing(corpus: Corpus, tmp_path: Path) -> None:
    train(make_run(corpus, tmp_path / "run"), corpus)
    predictor = Predictor(Run(tmp_path / "run"))
    full = Track("full", fields={"artist_popularity": 50, "tempo": 100, "key": 3})
    none, wrong = Track("none"), Track("wrong", fields={"tempo": "allegro"})
    first, second, third = predictor.predict([full, none, wrong])
    assert first.popularity is not None
    assert "valence" in first.missing_parts["meta"]
    assert "tempo" not in first.missing_parts["meta"]
    assert second.popularity is None
    assert second.missing == ("meta",)
    assert "every input is missing" in second.warnings[-1]
    assert "tempo must be a number. Received: 'allegro'" in third.warnings[0]
    # A track's prediction doesn't depend on those beside it.
    assert predictor.predict([full])[0].popularity == pytest.approx(first.popularity, abs=1e-3)


@pytest.mark.backends
def test_resume_on_the_command_line(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    with pytest.raises(StopError):
        train(make_run(corpus, run), corpus, report=stop_after(1))
    assert deephits("predict", run, "--set", "tempo=100").code == 2
    refused = deephits("train", corpus.folder, run, "--resume", "--epochs", "9")
    assert refused.code == 2
    assert "remove --epochs" in refused.err
    refused = deephits("train", corpus.folder, run, "--resume", "--meta-units", "9")
    assert "remove --meta-units" in refused.err
    resumed = deephits("train", corpus.folder, run, "--resume")
    assert resumed.code == 0, resumed.err
    assert "epoch   2 of 4" in resumed.out
    assert "epoch   1 of 4" not in resumed.out
    again = deephits("train", corpus.folder, run, "--resume")
    assert again.code == 2
    assert "finished" in again.err


def test_predict_reads_and_writes_tables(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    run, table, out = tmp_path / "run", tmp_path / "songs.csv", tmp_path / "out.csv"
    train(make_run(corpus, run), corpus)
    pd.DataFrame(
        {"track_id": ["a", "b"], "tempo": [100, None], "artist_popularity": [90, None]}
    ).to_csv(table, index=False)
    outcome = deephits("predict", run, "--table", table, "--out", out)
    assert outcome.code == 0, outcome.err
    written = pd.read_csv(out)
    assert written["track_id"].tolist() == ["a", "b"]
    assert written["missing"][1] == "meta"
    assert np.isnan(written["popularity"][1])
    scores = written.loc[0, ["score_0-25", "score_25-65", "score_65-100"]]
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_evaluate_repeats_what_training_measured(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    train(make_run(corpus, run), corpus)
    outcome = deephits("evaluate", run, "--json")
    assert outcome.code == 0, outcome.err
    metrics = json.loads((run / "metrics.json").read_text())
    assert json.loads(outcome.out)["parts"] == metrics["parts"]
    everything = deephits("evaluate", run, "--corpus", corpus.folder, "--json")
    assert set(json.loads(everything.out)["parts"]) == {"all"}
