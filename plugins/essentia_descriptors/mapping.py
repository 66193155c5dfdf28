"""Mappings from Essentia's statistics to Spotify's descriptors: default or fitted.

A descriptor is a weighted sum of statistics, clipped to its range.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array
from deephits_keras.utils.files import read_json, write_json
from deephits_keras.utils.records import from_plain

from .measure import STATISTICS
from .models import DESCRIPTORS, MODEL_STATISTICS

FORMAT = "deephits essentia calibration 1"
LARGEST_FILE = 1_000_000
"""Largest calibration in bytes; one has about 40,000."""

RANGES = {
    "acousticness": (0.0, 1.0),
    "danceability": (0.0, 1.0),
    "duration_ms": (0.0, 1e9),
    "energy": (0.0, 1.0),
    "instrumentalness": (0.0, 1.0),
    "liveness": (0.0, 1.0),
    "loudness": (-70.0, 10.0),
    "speechiness": (0.0, 1.0),
    "tempo": (0.0, 300.0),
    "valence": (0.0, 1.0),
    "mode": (0.0, 1.0),
    "key": (-1.0, 11.0),
}
"""All descriptors, in order, with Spotify's range (-70 LUFS is R128's gate)."""

MEASURED = ("duration_ms", "mode", "key")
"""Descriptors with the same definition as Spotify's; they are never fitted."""

LEARNABLE = tuple(name for name in RANGES if name not in MEASURED)

DEFAULTS: dict[str, tuple[dict[str, float], float]] = {
    "acousticness": ({"lowlevel.spectral_complexity.mean": -1 / 30}, 1.0),
    "danceability": ({"danceability": 1 / 3}, 0.0),
    "duration_ms": ({"length": 1000.0}, 0.0),
    "energy": ({"lowlevel.loudness_ebu128.integrated": 1 / 50, "rhythm.onset_rate": 1 / 16}, 0.7),
    "instrumentalness": ({"lowlevel.pitch_salience.stdev": -5.0}, 1.0),
    "loudness": ({"lowlevel.loudness_ebu128.integrated": 1.0}, 0.0),
    "tempo": ({"tempo": 1.0}, 0.0),
    "valence": ({"mode": 0.25, "tempo": 1 / 480}, 0.125),
    "mode": ({"mode": 1.0}, 0.0),
    "key": ({"tonal.key": 1.0}, 0.0),
}
"""The default mapping: weights and bias; `docs/essentia.md` explains it."""


@dataclass(frozen=True)
class Rule:
    """The mapping to one descriptor.

    Attributes:
        weights: One weight per statistic.
        bias: Added to the weighted sum.
        r2: Cross-validated R², if it was fitted.
        mae: Cross-validated mean absolute error in the descriptor's unit, if it was fitted.
    """

    weights: tuple[float, ...]
    bias: float
    r2: float | None = None
    mae: float | None = None


@dataclass(frozen=True)
class Mapping:
    """A mapping to all descriptors.

    Attributes:
        rules: Rules by descriptor, in the order of `RANGES`.
        tracks: Number of tracks of the fit; 0 for the default.
        statistics: Names of the mapped statistics.
    """

    rules: dict[str, Rule]
    tracks: int = 0
    statistics: tuple[str, ...] = STATISTICS

    @property
    def descriptors(self) -> tuple[str, ...]:
        """Names of its descriptors."""
        return tuple(self.rules)

    @property
    def uncalibrated(self) -> tuple[str, ...]:
        """Descriptors on Essentia's scale, not Spotify's."""
        return tuple(n for n, rule in self.rules.items() if n in LEARNABLE and rule.r2 is None)

    @property
    def by_model(self) -> dict[str, str]:
        """The uncalibrated descriptors from models of Essentia, with the model's name."""
        used = {n: self._used(self.rules[n]) for n in self.uncalibrated}
        return {n: s.rpartition(".")[0] for n, (s, *_) in used.items() if s in MODEL_STATISTICS}

    def _used(self, rule: Rule) -> list[str]:
        pairs = zip(self.statistics, rule.weights, strict=True)
        return [statistic for statistic, weight in pairs if weight]

    @property
    def weights(self) -> Array:
        """`(statistics, descriptors)`."""
        return np.array([rule.weights for rule in self.rules.values()]).T

    @property
    def bias(self) -> Array:
        """`(descriptors,)`."""
        return np.array([rule.bias for rule in self.rules.values()])

    @property
    def ranges(self) -> Array:
        """`(2, descriptors)`: minimum and maximum."""
        return np.array([RANGES[name] for name in self.rules]).T

    def apply(self, statistics: np.ndarray[Any, Any]) -> Array:
        """Map statistics to descriptors.

        Args:
            statistics: `(tracks, statistics)`, NaN where unknown.

        Returns:
            `(tracks, descriptors)` float64, NaN where a statistic with non-zero weight is unknown.
        """
        known = ~np.isnan(statistics)
        values = np.where(known, statistics, 0).astype(np.float64) @ self.weights + self.bias
        lacking = ~known @ (self.weights != 0)
        return np.where(lacking, np.nan, np.clip(values, *self.ranges))

    def with_learnt(self, rules: Map[str, Rule], tracks: int) -> Mapping:
        """A copy with fitted rules, which replace its own rules or are added to them.

        Args:
            rules: Rules by descriptor.
            tracks: Number of tracks of the fit.
        """
        both = {**self.rules, **rules}
        return Mapping({n: both[n] for n in RANGES if n in both}, tracks, self.statistics)

    def save(self, path: Path) -> None:
        """Write the fitted rules as JSON, atomically."""
        learnt = {name: rule for name, rule in self.rules.items() if rule.r2 is not None}
        write_json(
            path,
            _Saved(FORMAT, self.tracks, list(self.statistics), learnt),
        )


def default_mapping(models: Sequence[str] | None = None) -> Mapping:
    """The default mapping.

    Args:
        models: The measured statistics of `MODEL_STATISTICS`, which are used for their
            descriptors; None to map `measure.STATISTICS` only.
    """
    statistics = STATISTICS if models is None else (*STATISTICS, *MODEL_STATISTICS)
    defaults = dict(DEFAULTS)
    for name, (candidates, (factor, summand)) in DESCRIPTORS.items():
        if found := [candidate for candidate in candidates if candidate in (models or ())]:
            defaults[name] = ({found[0]: factor}, summand)
    rules = {
        name: Rule(tuple(weights.get(statistic, 0.0) for statistic in statistics), bias)
        for name, (weights, bias) in defaults.items()
    }
    return Mapping({name: rules[name] for name in RANGES if name in rules}, 0, statistics)


def read_mapping(path: Path, models: Sequence[str] | None = None) -> Mapping:
    """Read what `Mapping.save` wrote.

    Args:
        path: The file.
        models: As in `default_mapping`, whose rules are kept for other descriptors.

    Raises:
        UserError: if it is missing, isn't a calibration, contains values that aren't finite, or was
            fitted to statistics that aren't measured.
    """
    if not path.is_file():
        raise UserError(
            f"There is no calibration {path}. Make one with `deephits essentia fit CORPUS`, or "
            "name where it is now with --essentia-calibration PATH"
        )
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path} is too large for a calibration: over {LARGEST_FILE:,} bytes")
    values = read_json(path, "a calibration")
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path} is not a calibration of the format {FORMAT!r}")
    saved = from_plain(values, _Saved, f"{path} is damaged")
    learnt_from = saved.statistics
    if learnt_from not in (list(STATISTICS), [*STATISTICS, *MODEL_STATISTICS]):
        raise UserError(f"{path} is of other statistics than this version measures: fit again")
    default = default_mapping(models)
    rules: dict[str, Rule] = {}
    for name, rule in saved.descriptors.items():
        _check_rule(path, name, rule, len(learnt_from))
        weights = dict(zip(learnt_from, rule.weights, strict=True))
        measured = (*STATISTICS, *(models or ()))
        if lacking := [s for s, weight in weights.items() if weight and s not in measured]:
            raise UserError(
                f"{path} was learnt with Essentia's models: {name} needs {', '.join(lacking)}. "
                "Name their folder with --essentia-models FOLDER"
            )
        ours = tuple(weights.get(statistic, 0.0) for statistic in default.statistics)
        rules[name] = replace(rule, weights=ours)
    return default.with_learnt(rules, saved.tracks)


@dataclass(frozen=True)
class _Saved:
    """What `Mapping.save` writes."""

    format: str
    tracks: int
    statistics: list[str]
    descriptors: dict[str, Rule]


def _check_rule(path: Path, name: str, rule: Rule, statistics: int) -> None:
    if name not in LEARNABLE:
        raise UserError(f"{path} is damaged: there is no descriptor {name!r} to learn")
    if len(rule.weights) != statistics:
        raise UserError(f"{path} is damaged: {name} must have {statistics} weights")
    # The model's float32 must be able to hold each; NaN compares as neither.
    for number in (*rule.weights, rule.bias, rule.r2, rule.mae):
        if number is None or not -1e30 < number < 1e30:
            raise UserError(
                f"{path} is damaged: {name} must have finite numbers. Received: {number}"
            )
