"""Trainings over rolling origins, planned, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deephits_keras.corpus.table import Corpus
from deephits_keras.evaluation.groups import Interval
from deephits_keras.training.workflow import TrainingPlan


@dataclass(frozen=True)
class RollingRow:
    """Metrics of some test songs of one set of modalities.

    Attributes:
        modalities: The model's modalities: `mel,meta`.
        origin: The first test year; None for the songs of all origins together.
        years: Years from the origin to the songs' release, 0 for the origin's own year; None for
            all test years.
        tracks: Number of songs.
        metrics: Values by name (`evaluation.metrics`), None where undefined; empty for fewer than
            20 songs.
        intervals: Of some of them, with the interval of 95% of bootstrap samples.
    """

    modalities: str
    origin: int | None
    years: int | None
    tracks: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class RollingPlan:
    """Trainings over rolling origins, checked without Keras.

    Attributes:
        corpus: The corpus.
        out: Folder of the runs.
        plans: Each training, by its modalities and origin.
        horizon: Number of test years.
        notes: Modalities that can't be trained alone, with the reason; what is left out.
    """

    corpus: Corpus
    out: Path
    plans: Mapping[tuple[str, int], TrainingPlan]
    horizon: int
    notes: tuple[str, ...]
