"""What an encoder makes of tracks, whatever it raises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.inputs import as_declared, inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.tracks import Track

Outcome = Features | ExtractionError | None


def outcomes(encoder: AnyEncoder, tracks: Sequence[Track]) -> list[Outcome]:
    """What an encoder makes of each track: features that keep to its specs, an error, or None.

    Each track is cut down to the inputs that the encoder declares. What it raises unexpectedly,
    and features that aren't what its specs say, are that one track's error: where `extract_many`
    breaks down, tracks are tried one by one.

    Raises:
        UserError: if the encoder's settings can't be used.
        MemoryError: if there is too little memory, which is no fault of a track's.
    """
    inputs = inputs_of(encoder)
    declared = [as_declared(track, inputs) for track in tracks]
    checked: list[Outcome] = []
    for track, result in zip(tracks, _results(encoder, declared), strict=True):
        good = result is None or isinstance(result, ExtractionError)
        wrong = "" if good else fault(encoder, result)
        checked.append(ExtractionError(track.id, wrong) if wrong else result)
    return checked


@contextlib.contextmanager
def blamed(encoder: AnyEncoder, track: Track) -> Iterator[None]:
    """Make of what an encoder raises unexpectedly in this block an error of this one track.

    Raises:
        ExtractionError: naming the track, the encoder and the exception.
    """
    try:
        yield
    except (DeepHitsError, MemoryError):
        raise
    except Exception as error:
        raise ExtractionError(track.id, unexpected(encoder, error)) from error


def unexpected(encoder: AnyEncoder, error: Exception) -> str:
    """What to say of an exception that an encoder isn't meant to raise."""
    return f"{encoder.name} raised {type(error).__name__}: {error}".rstrip(": ")


def _results(encoder: AnyEncoder, tracks: Sequence[Track]) -> list[Outcome]:
    """The encoder's result for each track; where it breaks down, tracks are tried one by one."""
    results: list[Outcome] = []
    try:
        for result in encoder.extract_many(tracks):
            results.append(result)
    except Exception:
        return results + [_result_alone(encoder, track) for track in tracks[len(results) :]]
    if len(results) != len(tracks):
        return [_result_alone(encoder, track) for track in tracks]
    return results


def _result_alone(encoder: AnyEncoder, track: Track) -> Outcome:
    try:
        results = list(encoder.extract_many([track]))
    except UserError:
        raise
    except ExtractionError as error:
        return error
    except MemoryError as error:
        raise MemoryError(f"track {track.id}: {error}") from error
    except Exception as error:
        return ExtractionError(track.id, unexpected(encoder, error))
    if len(results) != 1:
        return ExtractionError(
            track.id, f"{encoder.name} gave {len(results)} results for one track"
        )
    return results[0]


def fault(encoder: AnyEncoder, features: Any) -> str:
    """How what an encoder's `extract` gave differs from its feature specs; empty if it doesn't."""
    if not isinstance(features, dict):
        return f"{encoder.name} gave {type(features).__name__} instead of a dict of features"
    wanted = {spec.name: spec for spec in encoder.feature_specs}
    if features.keys() != wanted.keys():
        return f"{encoder.name} gave the features {sorted(features)}, not {sorted(wanted)}"
    for name, spec in wanted.items():
        array = features[name]
        if not isinstance(array, np.ndarray):
            return f"{encoder.name}: feature {name!r} is {type(array).__name__}, not an array"
        if array.shape != spec.shape or array.dtype != spec.dtype:
            return (
                f"{encoder.name}: feature {name!r} is {array.dtype} {array.shape}, "
                f"not {spec.dtype} {spec.shape}"
            )
    return ""
