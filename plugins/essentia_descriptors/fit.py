"""Learns the mapping from Essentia's statistics to Spotify's descriptors, cross-validated."""

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
"""Below it no error estimate means anything."""

FEWEST_FOR_NEW = 500
"""Tracks from which speechiness and liveness are offered: nothing else could stand in for them."""

PENALTIES = np.logspace(-1, 5, 13)
"""Of the ridge regression; each training fold chooses for itself."""

NOT_LEARNT_FROM = ("tonal.key", "length", *MUSICAL)
"""Pitch classes have no order, a length is no sound, and the others are there already."""

SAME_BPM = 0.04
"""Two tempi are the same if they differ by less than this share (MIREX's tolerance)."""


@dataclass(frozen=True)
class FittedDescriptor:
    """How one descriptor came out.

    Attributes:
        name: The descriptor.
        outcome: `learnt`, or why the default (or nothing) stays.
        true: `(tracks,)` Spotify's values.
        learnt: `(tracks,)` each track's value by a mapping learnt without its fold.
        default: `(tracks,)` by the default mapping; None where there is none.
        r2: Share of the variance explained by `learnt`.
        mae: Mean absolute error of `learnt`, in the descriptor's unit.
        default_r2: The same of `default`.
        default_mae: Likewise.
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
        """How many tracks have Spotify's value."""
        return len(self.true)


@dataclass(frozen=True)
class Fit:
    """What was learnt.

    Attributes:
        mapping: The mapping to use.
        descriptors: How each came out.
        agreement: Share of tracks on which key, mode or tempo are the same as Spotify's, as
            measured and without any learning.
        skipped: Descriptors that can't be learnt from these tracks, with the reason.
        tracks: Tracks with statistics.
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
    """Learn a ridge regression for each descriptor, judged on tracks that it hasn't seen.

    A rule is kept where its cross-validated R2 is above zero and its error below the default's:
    the mean absolute one, since a few tempi at the double or half would decide on a squared one.

    Args:
        statistics: `(tracks, statistics)` as measured.
        spotify: `(tracks,)` Spotify's value of each descriptor that the corpus has, NaN if
            unknown.
        groups: `(tracks,)` integers; tracks of the same number (of one artist) stay in one fold.
        default: The mapping to improve on, of the same statistics; the default one if not given.

    Raises:
        UserError: if too few tracks, or too few groups of them, have both.
    """
    default = default or default_mapping()
    by_default = dict(zip(default.descriptors, default.apply(statistics).T, strict=True))
    # What no track has, as of a model that isn't there, is no predictor.
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
        raise UserError(f"No descriptor can be learnt from this corpus. {reasons}")
    tracks = max(descriptor.tracks for descriptor in fitted)
    mapping = default.with_learnt(rules, tracks)
    agreement = dict(_agreement(by_default, spotify))
    return Fit(mapping, tuple(fitted), agreement, skipped, int(measured.sum()))


def _unfit(true: Array, groups: IntArray, fewest: int) -> str:
    """Why a descriptor can't be learnt; empty if it can."""
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
    """Slopes and bias for statistics as they are: the scaler's shift and scale taken in."""
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
