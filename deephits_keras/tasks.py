"""Tasks: popularity as a number, or as one of 3, 5 or 10 tiers (paper, Section 3.2)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from deephits_keras.choices import DECODINGS, DISTANCE, LIKELIEST
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
class Decoding:
    """How one tier is chosen from the class scores of a track.

    The scores themselves, and all that is computed from them, are the same with every rule.

    Attributes:
        rule: `likeliest`: the tier of the largest score, which is best for accuracy. `macro-f1`:
            the tier of the largest score / share ** alpha, which favours rare tiers (logit
            adjustment after training; Menon et al. 2021, "Long-tail Learning via Logit
            Adjustment", Equation 9). `distance`: the tier of least expected distance in tiers,
            which is the median of the scores.
        alpha: Exponent of `macro-f1`, from 0, which is `likeliest`.
        shares: Share of each tier in the training tracks, for `macro-f1`; all above 0.
        likeliest_f1: Mean macro-F1 of bootstrap draws of the validation tracks with `likeliest`,
            0-1; None if nothing was fitted (`evaluation.decoding`).
        decoded_f1: The same with this decoding.

    Raises:
        ValueError: if the rule isn't known, or a number is out of its range.

    Example:
        >>> scores = np.array([[0.1, 0.5, 0.4]])
        >>> Decoding("macro-f1", 1.0, (0.2, 0.7, 0.1)).tiers(scores)
        array([2], dtype=int32)
    """

    rule: str = LIKELIEST
    alpha: float = 0.0
    shares: tuple[float, ...] = ()
    likeliest_f1: float | None = None
    decoded_f1: float | None = None

    def __post_init__(self) -> None:
        if self.rule not in DECODINGS:
            raise ValueError(f"rule must be one of {', '.join(DECODINGS)}. Received: {self.rule!r}")
        if not 0 <= self.alpha < math.inf:
            raise ValueError(f"alpha must be a number from 0. Received: {self.alpha}")
        if not all(0 < share <= 1 for share in self.shares):
            raise ValueError(f"shares must be above 0, and at most 1. Received: {self.shares}")
        if self.alpha and not self.shares:
            raise ValueError("an alpha must come with the shares of the tiers")
        if any(f1 is not None and not 0 <= f1 <= 1 for f1 in (self.likeliest_f1, self.decoded_f1)):
            raise ValueError("a macro-F1 must be from 0 to 1")

    def tiers(self, scores: FloatArray) -> IntArray:
        """The tier of each track, int32.

        Args:
            scores: `(n, tiers)` class scores that sum to 1.

        Raises:
            ValueError: if the scores aren't for as many tiers as the shares.
        """
        if self.rule == DISTANCE:
            # The first tier that reaches half of the scores; rounding must not hide the last.
            reached = np.cumsum(scores, axis=1) >= 0.5 - 1e-9
            return np.asarray(reached.argmax(axis=1), dtype=np.int32)
        if self.alpha:
            scores = scores / np.asarray(self.shares) ** self.alpha
        return np.asarray(scores.argmax(axis=1), dtype=np.int32)


LARGEST_SCORE = Decoding()
"""The decoding of a model without a fitted one."""


@dataclass(frozen=True)
class Prediction:
    """Predictions for a batch of tracks.

    Attributes:
        popularity: `(n,)` expected popularity, 0-100.
        scores: `(n, tiers)` class scores that sum to 1, or None for a regression. They are
            probabilities only as far as the model is calibrated (paper, Section 3.1;
            `evaluation.calibration`).
        decoding: How tiers are chosen from the scores.
    """

    popularity: FloatArray
    scores: FloatArray | None
    decoding: Decoding = LARGEST_SCORE

    def tiers(self, tiers: Tiers) -> IntArray:
        """Tier of each track: decoded from the scores if they are for `tiers`, else by popularity.

        Args:
            tiers: The tiers.
        """
        if self.scores is not None and self.scores.shape[1] == tiers.count:
            return self.decoding.tiers(self.scores)
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
        decoding: How one tier is chosen from class scores.
    """

    name: str
    kind: Literal["classification", "regression"]
    reported_tiers: tuple[Tiers, ...]
    decoding: Decoding = LARGEST_SCORE

    def __post_init__(self) -> None:
        if self.decoding.shares and len(self.decoding.shares) != self.outputs:
            raise ValueError(
                f"{self.name} has {self.outputs} outputs, its decoding {len(self.decoding.shares)}"
            )

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
        return Prediction(scores @ midpoints, scores, self.decoding)


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
