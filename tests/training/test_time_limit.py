"""A training that is limited in time ends in time, with a schedule that ends there, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus

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
    training = {"epochs": 10**5, "batch_size": 48, "time_limit": 0.08, "max_learning_rate": 0.01}
    run = dh.train(corpus, tmp_path / "run", training=training, callbacks=[rates], **FIXED)
    told = run.metrics["time_limit"]
    assert told["ended_training"]
    assert told["epochs"] == len(run.history) < told["planned_epochs"] == 10**5
    # Its peak is between, and it falls below the start: of 10^5 epochs it would be all ascent.
    assert max(rates.noted) == pytest.approx(0.01, rel=0.2)
    assert rates.noted[-1] < rates.noted[0]
    report = " ".join((run.folder / "report.html").read_text().split())
    assert f"ended it after {len(run.history)} of 100000 epochs" in report


def test_a_limit_that_is_not_reached_changes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    training = {"epochs": 3, "batch_size": 48}
    free = dh.train(corpus, tmp_path / "free", training=training, **FIXED)
    limited = dh.train(
        corpus, tmp_path / "limited", training={**training, "time_limit": 5}, **FIXED
    )
    for name in ("history.csv", "predictions.parquet"):
        assert (limited.folder / name).read_bytes() == (free.folder / name).read_bytes()
    assert limited.metrics["time_limit"] == {
        "minutes": 5.0,
        "epochs": 3,
        "planned_epochs": 3,
        "ended_training": False,
    }


def test_members_share_the_limit(corpus: Corpus, tmp_path: Path) -> None:
    training = {"epochs": 10**5, "batch_size": 48, "time_limit": 0.05, "ensemble": 2}
    run = dh.train(corpus, tmp_path / "run", training=training, **FIXED)
    assert list(run.config.members) == ["members/seed-0", "members/seed-1"]
    first = dh.Run(run.folder / "members/seed-0").config.training.time_limit
    assert first == pytest.approx(0.025)
    assert run.history.groupby("member").size().max() < 10**5
    report = " ".join((run.folder / "report.html").read_text().split())
    assert "limited to 0.050 min, shared by the members" in report
