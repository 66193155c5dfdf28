"""Tasks: popularity as a number, or as one of 3, 5 or 10 tiers (paper, Section 3.2)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import FloatArray, IntArray

POPULARITY_MAX = 100.0


@dataclass(frozen=True)
class Tiers:
    """A division of the 0-100 popularity scale into tiers.

    Attributes:
        name: `tiers-3`, `tiers-5` or `tiers-10`.
        edges: Lower edges of the tiers after the first; a popularity on an edge belongs to the
            tier above it, and 100 to the top tier (paper, Equations 2 and 3).
    """

    name: str
    edges: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of tiers."""
        return len(self.edges) + 1

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper edge of each tier, on the 0-100 scale."""
        edges = (0.0, *self.edges, POPULARITY_MAX)
        return tuple(itertools.pairwise(edges))

    @property
    def labels(self) -> tuple[str, ...]:
        """`0-25`, `25-65`, ... for tables and plots."""
        return tuple(f"{low:g}-{high:g}" for low, high in self.bounds)

    def of(self, popularity: FloatArray) -> IntArray:
        """The tier index of each popularity (0-100), int32."""
        tiers: IntArray = np.digitize(popularity, self.edges).astype(np.int32)
        return tiers


TIERS = {
    t.name: t
    for t in (
        Tiers("tiers-3", (25.0, 65.0)),
        Tiers("tiers-5", (20.0, 40.0, 60.0, 80.0)),
        Tiers("tiers-10", tuple(10.0 * k for k in range(1, 10))),
    )
}


@dataclass(frozen=True)
class Prediction:
    """Predictions for a batch of tracks.

    Attributes:
        popularity: `(n,)` expected popularity, 0-100.
        scores: `(n, tiers)` class scores that sum to 1, or None for a regression. They are
            probabilities only as far as the model is calibrated (paper, Section 3.1;
            `evaluation.calibration`).
    """

    popularity: FloatArray
    scores: FloatArray | None

    def tiers(self, tiers: Tiers) -> IntArray:
        """Tier of each track: argmax of the scores if they are for `tiers`, else by popularity."""
        if self.scores is not None and self.scores.shape[1] == tiers.count:
            best: IntArray = self.scores.argmax(axis=1).astype(np.int32)
            return best
        return tiers.of(self.popularity)


@dataclass(frozen=True)
class Task:
    """A prediction target, and the decoding of a model's raw outputs.

    Attributes:
        name: `regression` or the name of its tiers.
        kind: `classification` (the outputs are one logit per tier) or `regression` (the output is
            popularity / 100).
        reported_tiers: The tiers whose metrics are reported; the first is the main one. The output
            of a regression is discretised into them (paper, Section 3.1).
    """

    name: str
    kind: Literal["classification", "regression"]
    reported_tiers: tuple[Tiers, ...]

    @property
    def outputs(self) -> int:
        """Units of the output layer."""
        return self.reported_tiers[0].count if self.kind == "classification" else 1

    @property
    def tiers(self) -> Tiers:
        """The tiers of the task; for a regression, the ten tiers that select the checkpoint."""
        return self.reported_tiers[0]

    def targets(self, popularity: FloatArray) -> np.ndarray[Any, Any]:
        """Training targets of tracks of the given popularity (0-100): tier indices or floats."""
        if self.kind == "classification":
            return self.tiers.of(popularity)
        return (np.asarray(popularity) / POPULARITY_MAX).astype(np.float32)

    def decode(self, outputs: FloatArray) -> Prediction:
        """Convert raw outputs `(n, outputs)` to class scores and popularities.

        The popularity of a classification is the mean of the tiers' midpoints weighted by their
        class scores.
        """
        outputs = np.asarray(outputs, dtype=np.float64).reshape(-1, self.outputs)
        if self.kind == "regression":
            return Prediction(np.clip(outputs[:, 0] * POPULARITY_MAX, 0, POPULARITY_MAX), None)
        shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        scores = shifted / shifted.sum(axis=1, keepdims=True)
        midpoints = np.array([(low + high) / 2 for low, high in self.tiers.bounds])
        return Prediction(scores @ midpoints, scores)


TASKS = {
    "regression": Task("regression", "regression", (TIERS["tiers-10"], TIERS["tiers-3"])),
    **{name: Task(name, "classification", (tiers,)) for name, tiers in TIERS.items()},
}


def get_task(name: str | Task) -> Task:
    """The task of a name: one of `TASKS`, or `hit-65` with any threshold.

    Raises:
        UserError: if there is none; the message lists the known ones.
    """
    if isinstance(name, Task):
        return name
    if name.startswith(HIT):
        return _hit_task(name)
    if name not in TASKS:
        raise UserError(
            f"There is no task named {name!r}. Tasks: {', '.join(TASKS)}, and {HIT}65 for hits "
            "from a popularity of 65 (or any other) against the rest"
        )
    return TASKS[name]


HIT = "hit-"
"""Prefix of the names of hit tasks (hit or not)."""


def _hit_task(name: str) -> Task:
    try:
        threshold = float(name.removeprefix(HIT))
        tiers = Tiers(name, (threshold,))
    except ValueError:
        threshold = 0.0
    if not 0 < threshold < POPULARITY_MAX:
        raise UserError(f"{name!r}: a popularity between 0 and {POPULARITY_MAX:g} follows {HIT!r}")
    return Task(name, "classification", (tiers,))
