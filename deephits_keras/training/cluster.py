"""Checks of a distributed training before TensorFlow is imported: TF_CONFIG and settings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Self

from deephits_keras.errors import UserError
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.utils.records import from_plain

VARIABLE = "TF_CONFIG"


@dataclass(frozen=True)
class _Task:
    type: str
    index: int


@dataclass(frozen=True)
class _Cluster:
    """What TF_CONFIG says."""

    cluster: dict[str, list[str]]
    task: _Task


@dataclass(frozen=True)
class Worker:
    """The worker of this process.

    Attributes:
        index: Its number, from 0. Only worker 0 writes the run folder.
        count: Number of workers.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Self:
        """Create the worker from TF_CONFIG; a single worker if it isn't set.

        Raises:
            UserError: if it isn't `{"cluster": {"worker": [ADDRESS, ...]}, "task": {...}}`, or
                names jobs other than workers.
        """
        text = os.environ.get(VARIABLE)
        if not text:
            return cls()
        try:
            found = from_plain(json.loads(text), _Cluster, VARIABLE, strict=False, closed=False)
            addresses, index = found.cluster["worker"], found.task.index
            if not 0 <= index < len(addresses):
                raise ValueError(f"there is no worker {index} of {addresses}")
        except (ValueError, KeyError, UserError) as error:
            raise UserError(
                f'{VARIABLE} must be {{"cluster": {{"worker": ["host:port", ...]}}, '
                f'"task": {{"type": "worker", "index": 0}}}}. Received: {text} ({error})'
            ) from error
        jobs = {*found.cluster, found.task.type}
        if jobs != {"worker"}:
            raise UserError(
                f"{VARIABLE} may name workers only, of which number 0 leads. "
                f"Received: {', '.join(sorted(jobs))}"
            )
        return cls(index, len(addresses))

    @property
    def leads(self) -> bool:
        """Whether it is worker 0, which extracts, writes the run folder and prints."""
        return self.index == 0


def check_distributable(training: TrainingConfig, cache: str) -> None:
    """Refuse settings that several devices don't support.

    Raises:
        UserError: for XLA, which can't run the devices' collective operations; for features on one
            device; for an ensemble, whose members are trained in sequence; for a learning rate
            that changes between epochs, which the devices' copies would not receive; and for a
            time limit, at which the devices would stop at different steps.
    """
    for unfit, option in (
        (training.xla, "--xla"),
        (cache == "device", "--cache device"),
        (training.ensemble > 1, "--ensemble"),
        (training.schedule == "plateau", "--schedule plateau"),
        (training.time_limit > 0, "--time-limit"),
    ):
        if unfit:
            raise UserError(f"--distribute can't be used with {option}")
