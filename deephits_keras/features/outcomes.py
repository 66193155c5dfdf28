"""Results of an encoder for tracks, with unexpected errors handled."""

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
    """Extract each track: yields features that match the specs, an error, or None.

    Each track is reduced to the declared inputs. An unexpected exception, or features that don't
    match the specs, become an error of that track: if `extract_many` fails, tracks are extracted
    one by one.

    Raises:
        UserError: if the encoder's settings can't be used.
        MemoryError: if memory runs out, which isn't an error of a track.
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
    """Convert an unexpected exception of an encoder in this block to an error of the track.

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
    """Message for an unexpected exception of an encoder."""
    return f"{encoder.name} raised {type(error).__name__}: {error}".rstrip(": ")


def _results(encoder: AnyEncoder, tracks: Sequence[Track]) -> list[Outcome]:
    """The encoder's result for each track; if `extract_many` fails, one by one."""
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
    """How extracted features differ from the encoder's specs; empty if they don't."""
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
