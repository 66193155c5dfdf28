"""Fit the mapping from Essentia's statistics to Spotify's descriptors, with cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deephits_keras.errors import UserError
from deephits_keras.types import Array, IntArray

from .mapping import LEARNABLE, RANGES, Rule, default_mapping
from .mapping import Mapping as DescriptorMapping
from .measure import MUSICAL

FOLDS = 5
FEWEST_TRACKS = 50
"""Minimum number of tracks for a meaningful error estimate."""

FEWEST_FOR_NEW = 500
"""Minimum number of tracks for speechiness and liveness, which have no default mapping."""

PENALTIES = np.logspace(-1, 5, 13)
"""Candidates of the ridge regression's alpha; each training fold selects its own."""

NOT_LEARNT_FROM = ("tonal.key", "length", *MUSICAL)
"""Statistics that aren't predictors: pitch class, length, and repetitions of others."""

SAME_BPM = 0.04
"""Relative tolerance of equal tempi (as in MIREX)."""


@dataclass(frozen=True)
class FittedDescriptor:
    """Result for one descriptor.

    Attributes:
        name: Name of the descriptor.
        outcome: `learnt`, or the reason why the default mapping (or none) is kept.
        true: `(tracks,)` Spotify's values.
        learnt: `(tracks,)` values of a mapping fitted without the track's fold.
        default: `(tracks,)` values of the default mapping, or None.
        r2: R² of `learnt`.
        mae: Mean absolute error of `learnt`, in the descriptor's unit.
        default_r2: R² of `default`.
        default_mae: Mean absolute error of `default`, in the descriptor's unit.
    """

    name: str
    outcome: str
    true: Array
    learnt: Array
    default: Array | None
    r2: float
    mae: float
    default_r2: float | None
    default_mae: float | None

    @property
    def tracks(self) -> int:
        """Number of tracks with Spotify's value."""
        return len(self.true)


@dataclass(frozen=True)
class Fit:
    """Result of the fit.

    Attributes:
        mapping: The fitted mapping.
        descriptors: Result per descriptor.
        agreement: Fraction of tracks whose measured key, mode or tempo equals Spotify's.
        skipped: Reason for each descriptor that can't be fitted with these tracks.
        tracks: Number of tracks with statistics.
    """

    mapping: DescriptorMapping
    descriptors: tuple[FittedDescriptor, ...]
    agreement: dict[str, float]
    skipped: dict[str, str]
    tracks: int


def fit_mapping(
    statistics: Array,
    spotify: Mapping[str, Array],
    groups: IntArray,
    default: DescriptorMapping | None = None,
) -> Fit:
    """Fit a ridge regression per descriptor, evaluated by cross-validation.

    A regression is used if its cross-validated R² is above zero and its mean absolute error is
    below the default's. (A squared error would be dominated by a few double or half tempi.)

    Args:
        statistics: `(tracks, statistics)` measured statistics.
        spotify: `(tracks,)` Spotify's values of each descriptor, NaN if unknown.
        groups: `(tracks,)` integers; tracks of one group (of one artist) are in one fold.
        default: The default mapping of the same statistics.

    Raises:
        UserError: if too few tracks or groups have both.
    """
    default = default or default_mapping()
    by_default = dict(zip(default.descriptors, default.apply(statistics).T, strict=True))
    # A statistic that no track has, as of a missing model, isn't a predictor.
    named = ~np.isin(default.statistics, NOT_LEARNT_FROM)
    predictors = np.flatnonzero(named & np.isfinite(statistics).any(axis=0))
    measured = np.isfinite(statistics[:, predictors]).all(axis=1)
    fitted: list[FittedDescriptor] = []
    rules: dict[str, Rule] = {}
    skipped: dict[str, str] = {}
    for name in LEARNABLE:
        true = spotify.get(name)
        known = measured & ~np.isnan(true) if true is not None else np.zeros_like(measured)
        fewest = FEWEST_TRACKS if name in by_default else FEWEST_FOR_NEW
        if true is None or (reason := _unfit(true[known], groups[known], fewest)):
            skipped[name] = "the corpus has no such column" if true is None else reason
            continue
        inside = statistics[known][:, predictors].astype(np.float64)
        guess = by_default[name][known] if name in by_default else None
        outcome, slopes, bias = _fit_one(name, inside, true[known], groups[known], guess)
        fitted.append(outcome)
        if outcome.outcome == "learnt":
            weights = np.zeros(len(default.statistics))
            weights[predictors] = slopes
            rules[name] = Rule(tuple(weights.tolist()), bias, outcome.r2, outcome.mae)
    if not fitted:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise UserError(f"No descriptor can be fitted with this corpus. {reasons}")
    tracks = max(descriptor.tracks for descriptor in fitted)
    mapping = default.with_learnt(rules, tracks)
    agreement = dict(_agreement(by_default, spotify))
    return Fit(mapping, tuple(fitted), agreement, skipped, int(measured.sum()))


def _unfit(true: Array, groups: IntArray, fewest: int) -> str:
    """Reason why a descriptor can't be fitted; empty if it can."""
    if len(true) < fewest:
        return f"{len(true)} tracks have both, {fewest} are needed"
    if len(np.unique(groups)) < FOLDS:
        return f"the tracks are of fewer than {FOLDS} artists"
    if np.ptp(true) == 0:
        return "it is the same for every track"
    return ""


def _fit_one(
    name: str, statistics: Array, true: Array, groups: IntArray, default: Array | None
) -> tuple[FittedDescriptor, Array, float]:
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    folds = GroupKFold(FOLDS)
    held_out = cross_val_predict(ridge, statistics, true, groups=groups, cv=folds)
    held_out = np.clip(held_out, *RANGES[name])
    r2, mae = float(r2_score(true, held_out)), float(mean_absolute_error(true, held_out))
    default_r2, default_mae = _judge_default(true, default)
    outcome = "learnt"
    if r2 <= 0:
        outcome = "no better than the mean"
    elif default_mae is not None and mae >= default_mae:
        outcome = "no better than the default"
    descriptor = FittedDescriptor(
        name, outcome, true, held_out, default, r2, mae, default_r2, default_mae
    )
    return descriptor, *_line(ridge.fit(statistics, true))


def _judge_default(true: Array, default: Array | None) -> tuple[float | None, float | None]:
    if default is None:
        return None, None
    known = ~np.isnan(default)
    if known.sum() < FEWEST_TRACKS:
        return None, None
    judged = true[known], default[known]
    return float(r2_score(*judged)), float(mean_absolute_error(*judged))


def _line(ridge: Pipeline) -> tuple[Array, float]:
    """Weights and bias for unscaled statistics."""
    scaler, regression = ridge[0], ridge[-1]
    slopes = regression.coef_ / scaler.scale_
    return slopes, float(regression.intercept_ - slopes @ scaler.mean_)


def _agreement(
    measured: Mapping[str, Array], spotify: Mapping[str, Array]
) -> Iterator[tuple[str, float]]:
    for name, tolerance in (("key", 0.0), ("mode", 0.0), ("tempo", SAME_BPM)):
        if name not in spotify:
            continue
        ours, theirs = measured[name], spotify[name]
        both = ~(np.isnan(ours) | np.isnan(theirs))
        if both.any():
            near = np.abs(ours - theirs)[both] <= tolerance * np.abs(theirs[both])
            yield name, float(near.mean())
