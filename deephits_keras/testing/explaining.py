"""The check of an encoder's `explainable`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features, input_dtype
from deephits_keras.testing.subject import (
    CheckError,
    CheckSkipped,
    Subject,
    declared,
    raised,
    require,
)
from deephits_keras.tracks import Track

TOLERANCE = 1e-3
"""Relative and absolute tolerance of an embedding that isn't computed by the branch."""

ON_THE_WAY = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Points at which gradients are checked, as fractions of the path from the baseline."""


def check_explainable_adds_up(subject: Subject) -> None:
    """`embed` gives the branch's embedding, and the parts add up to the attribution."""
    track, features = subject.usable[0]
    track = declared(subject.encoder, track)
    explainable = _explainable(subject, track, features)
    _check_point(explainable)
    _check_embed(subject, explainable, features)
    _check_gradients(explainable)
    attribution = _attribution(explainable)
    try:
        parts = list(explainable.parts(attribution))
    except Exception as error:
        raise CheckError(raised("parts", error)) from error
    require(
        all(isinstance(part, Part) and part.name.strip() for part in parts),
        f"parts must give a Part with a name for each named part. Received: {parts!r:.200}",
    )
    total = sum(float(values.sum()) for values in attribution.values())
    told = sum(part.contribution for part in parts)
    size = sum(float(np.abs(values).sum()) for values in attribution.values())
    require(
        abs(told - total) <= 1e-5 * max(size, 1e-6),
        f"the parts' contributions add up to {told:.6g}, the attribution to {total:.6g}: let each "
        "value of the attribution belong to exactly one part",
    )
    try:
        picture = explainable.draw(attribution)
    except Exception as error:
        raise CheckError(raised("draw", error)) from error
    require(
        picture is None or hasattr(picture, "savefig") or hasattr(picture, "__html__"),
        "draw must give a matplotlib Figure, a markupsafe Markup (a plain text isn't taken for "
        f"HTML) or None. Received: {type(picture).__name__}",
    )


def _explainable(subject: Subject, track: Track, features: Features) -> Explainable:
    # A new encoder, as in a loaded run: statistics are in the branch's layers only.
    encoder = subject.fresh()
    branch = subject.shared_branch
    try:
        explainable = encoder.explainable(track, features, branch)
    except Exception as error:
        raise CheckError(
            f"{raised('explainable', error)}. It gets a trained branch and an encoder that wasn't "
            "adapted: take statistics from the branch's layers"
        ) from error
    require(
        isinstance(explainable, Explainable),
        f"explainable must give an Explainable. Received: {type(explainable).__name__}",
    )
    return explainable


def _check_point(explainable: Explainable) -> None:
    point, baseline = explainable.point, explainable.baseline
    shapes = [
        {name: np.shape(array) for name, array in arrays.items()} for arrays in (point, baseline)
    ]
    require(
        shapes[0] == shapes[1],
        f"an Explainable's baseline has the shapes {shapes[1]}, its point {shapes[0]}: make them "
        "the same",
    )
    whole = [n for n, a in point.items() if not np.issubdtype(np.asarray(a).dtype, np.floating)]
    require(
        not whole,
        f"the point's arrays {', '.join(whole)} aren't of floats: nothing moves on a straight line "
        "through whole numbers. Explain at another point, or leave them out",
    )
    require(
        isinstance(explainable.reference, str) and explainable.reference.strip(),
        "reference must say in words what the baseline is",
    )
    unattributed: Any = explainable.unattributed
    require(
        isinstance(unattributed, tuple) and all(isinstance(name, str) for name in unattributed),
        f"unattributed must be a tuple of names. Received: {unattributed!r}",
    )


def _steps(explainable: Explainable) -> Features:
    """The difference of point and baseline; 0 where either is unknown."""
    return {
        name: np.nan_to_num(
            np.asarray(array, np.float32) - np.asarray(explainable.baseline[name], np.float32)
        )
        for name, array in explainable.point.items()
    }


def _at(explainable: Explainable, *shares: float) -> Features:
    """A batch of points between the baseline (0) and the track's input (1)."""
    steps = _steps(explainable)
    return {
        name: np.stack(
            [np.asarray(array, np.float32) - (1 - share) * steps[name] for share in shares]
        )
        for name, array in explainable.point.items()
    }


def _check_embed(subject: Subject, explainable: Explainable, features: Features) -> None:
    from keras import ops

    inputs = {
        spec.name: features[spec.name][None].astype(input_dtype(spec))
        for spec in subject.encoder.feature_specs
    }
    own = ops.convert_to_numpy(subject.shared_branch(inputs, training=False))
    rows = 2 if explainable.point else 1
    try:
        batch = {n: ops.convert_to_tensor(a) for n, a in _at(explainable, 0.0, 1.0).items()}
        reached = ops.convert_to_numpy(explainable.embed(batch))
    except Exception as error:
        raise CheckError(f"for a batch of {rows}, {raised('embed', error)}") from error
    require(
        reached.shape == (rows, own.shape[1]),
        f"embed gives the shape {reached.shape} for a batch of {rows}, not {(rows, own.shape[1])}",
    )
    require(
        np.allclose(reached[-1], own[0], rtol=TOLERANCE, atol=TOLERANCE),
        "embed doesn't lead from the point to the embedding that the branch gives for the track's "
        "features: the scores that are explained would be others than those predicted",
    )


def _check_gradients(explainable: Explainable) -> None:
    """Gradients are finite, and not zero everywhere if the embedding changes."""
    if not explainable.point:
        return
    from keras import ops

    from deephits_keras.explanation.gradients import values_and_gradients

    shares = (0.0, *ON_THE_WAY, 1.0)
    try:
        values, gradients = values_and_gradients(
            lambda batch: ops.sum(explainable.embed(batch), axis=-1), _at(explainable, *shares)
        )
    except NotImplementedError as error:
        raise CheckSkipped(str(error)) from error
    except Exception as error:
        raise CheckError(f"its gradient fails: {raised('embed', error)}") from error
    moved = [
        g[:, step != 0]
        for g, step in zip(gradients.values(), _steps(explainable).values(), strict=True)
    ]
    require(
        all(np.isfinite(gradient).all() for gradient in moved),
        "embed has gradients that aren't finite between the baseline and the track's input: put an "
        "epsilon under roots, divisions and logarithms",
    )
    changes = any(abs(b - a) > TOLERANCE * max(abs(a), 1) for a, b in itertools.pairwise(values))
    require(
        not changes or any(gradient.any() for gradient in moved),
        "embed changes between the baseline and the track's input and has no gradient there: make "
        "it of keras.ops and Keras layers, without rounding or conversions to NumPy",
    )


def _attribution(explainable: Explainable) -> Features:
    """Random contributions where point and baseline differ, as integrated gradients give them."""
    rng = np.random.default_rng(0)
    return {
        name: np.where(step != 0, rng.normal(size=step.shape), 0.0)
        for name, step in _steps(explainable).items()
    }


CHECKS = (check_explainable_adds_up,)
