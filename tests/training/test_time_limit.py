"""A training that is limited in time ends in time, with a schedule that ends there, too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus
from deephits_keras.training.ensemble import open_member
from deephits_keras.training.trainer import train
from deephits_keras.training.workflow import plan_training

FIXED: dict[str, Any] = {"recipe": "paper", "modalities": "meta=numeric", "task": "tiers-3"}


class Rates(keras.callbacks.Callback):
    """Notes the learning rate after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.noted.append(float(self.model.optimizer.learning_rate))


def test_the_schedule_ends_with_the_time(corpus: Corpus, tmp_path: Path) -> None:
    rates = Rates()
    training = {"epochs": 10**5, "batch_size": 48, "time_limit": 0.1, "optimizer": "sgd"}
    run = dh.train(corpus, tmp_path / "run", training=training, callbacks=[rates], **FIXED)
    told = run.metrics["time_limit"]
    assert told["ended_training"]
    assert told["epochs"] == len(run.history) < told["planned_epochs"] == 10**5
    # Of 100,000 epochs these would be the first of the ascent, each higher than the one before.
    assert max(rates.noted) > 0.03
    assert rates.noted[-1] < max(rates.noted) / 2
    report = " ".join((run.folder / "report.html").read_text().split())
    assert f"ended it after {len(run.history)} of 100000 epochs" in report


def test_a_limit_that_is_not_reached_changes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    training = {"epochs": 2, "batch_size": 48, "optimizer": "adamw"}
    runs = []
    for name, limit in (("free", {}), ("limited", {"time_limit": 5.0})):
        plan = plan_training(corpus, tmp_path / name, training={**training, **limit}, **FIXED)
        runs.append(plan.begin(jobs=1))
        train(runs[-1], corpus)
    free, limited = runs
    for name in ("history.csv", "predictions.parquet"):
        assert (limited.folder / name).read_bytes() == (free.folder / name).read_bytes()
    assert limited.metrics["time_limit"] == {
        "minutes": 5.0,
        "epochs": 2,
        "planned_epochs": 2,
        "ended_training": False,
    }


def test_members_share_what_is_left(corpus: Corpus, tmp_path: Path) -> None:
    training = {"time_limit": 3.0, "ensemble": 3}
    run = plan_training(corpus, tmp_path / "run", training=training, **FIXED).begin(jobs=1)
    first, second, _ = run.config.members
    member = open_member(run, first)
    assert member.config.training.time_limit == pytest.approx(1.0)
    member.config = dataclasses.replace(member.config, training_seconds=30.0)
    member.write_config()
    assert open_member(run, second).config.training.time_limit == pytest.approx(1.25)
