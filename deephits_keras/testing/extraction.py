"""Checks of an encoder outside the graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from deephits_keras.encoders.features import ExtractionError, Features, FeatureSpec
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import check_specs
from deephits_keras.features.outcomes import fault
from deephits_keras.testing.subject import (
    CheckError,
    CheckSkipped,
    Subject,
    outcome,
    require,
    same_bytes,
)
from deephits_keras.tracks import Track


def check_feature_specs(subject: Subject) -> None:
    """The feature specs can be stored."""
    specs = subject.encoder.feature_specs
    require(
        isinstance(specs, tuple) and all(isinstance(spec, FeatureSpec) for spec in specs),
        f"feature_specs must be a tuple of FeatureSpec. Received: {specs!r}",
    )
    try:
        check_specs(subject.encoder)
    except UserError as error:
        raise CheckError(str(error)) from error
    undescribed = [spec.name for spec in specs if not spec.description]
    require(
        not undescribed,
        f"say what the features {', '.join(undescribed)} hold, with units: "
        'FeatureSpec(name, shape, dtype, "what it is, unit")',
    )


def check_extract_gives_what_specs_say(subject: Subject) -> None:
    """At least two tracks have features with the declared names, shapes and dtypes."""
    count = 0
    for track in subject.tracks:
        try:
            features = outcome(subject.encoder, track)
        except Exception as error:
            raise CheckError(
                f"extract raised {type(error).__name__} for track {track.id}: {error}. Raise "
                "ExtractionError(track.id, reason) for input that can't be used"
            ) from error
        if isinstance(features, ExtractionError):
            raise CheckError(
                f"extract can't use track {track.id}: {features.reason}. Give tracks that the "
                "encoder can use: check_encoder(encoder, tracks=...) or example_tracks"
            )
        if features is None:
            continue
        wrong = fault(subject.encoder, features)
        require(not wrong, f"track {track.id}: {wrong}. Make extract and feature_specs agree")
        infinite = [name for name, array in features.items() if np.isinf(array).any()]
        require(
            not infinite,
            f"track {track.id}: the features {', '.join(infinite)} hold infinite values. Keep "
            "them finite (a floor under a logarithm, a wider dtype)",
        )
        count += 1
    require(
        count >= 2,
        f"extract gave features for {count} of {len(subject.tracks)} tracks. Give two or more "
        "that have the modality: check_encoder(encoder, tracks=...) or example_tracks",
    )


def check_extract_is_deterministic(subject: Subject) -> None:
    """The same track gives the same bytes."""
    for encoder in (subject.encoder, subject.fresh()):
        for track, features in subject.usable:
            again = outcome(encoder, track)
            require(
                isinstance(again, dict) and same_bytes(features, again),
                f"extract gave other features for track {track.id} the second time. Draw nothing "
                "at random (or seed it with the track's id), and keep nothing between tracks",
            )


def check_missing_is_none(subject: Subject) -> None:
    """A track without the input lacks the modality, which isn't an error."""
    try:
        result = subject.encoder.extract(Track("nothing"))
    except Exception as error:
        raise CheckError(
            f"extract raised {type(error).__name__} for a track with no audio, lyrics or fields: "
            f"{error}. Return None where the input isn't there"
        ) from error
    require(
        result is None,
        "extract gave features for a track with no audio, lyrics or fields. Return None where "
        "the input isn't there: the model must know that it is missing",
    )


def check_bad_input_is_extraction_error(subject: Subject) -> None:
    """Unusable input raises an `ExtractionError` with the track and the reason."""
    for track, damage, must_fail in damaged_tracks(subject):
        try:
            result = subject.encoder.extract(track)
        except ExtractionError as error:
            require(
                error.track_id == track.id and error.reason.strip(),
                f"the ExtractionError for {damage} must name the track and the reason: "
                f"ExtractionError(track.id, reason). Received: {error}",
            )
            continue
        except Exception as error:
            raise CheckError(
                f"extract raised {type(error).__name__} for {damage}: {error}. Catch it and "
                "raise ExtractionError(track.id, reason)"
            ) from error
        gave = "None" if result is None else "features"
        require(
            not must_fail,
            f"extract gave {gave} for {damage}. Raise ExtractionError(track.id, reason): the "
            "input is there and can't be used",
        )
        wrong = fault(subject.encoder, result) if result is not None else ""
        require(not wrong, f"extract must refuse {damage} or cope with it: {wrong}")


def check_extract_many_equals_extract(subject: Subject) -> None:
    """`extract_many` gives the results of `extract`, in order."""
    tracks = [track for track, _ in subject.usable]
    tracks += [Track("nothing"), *(t for t, _, _ in damaged_tracks(subject)), tracks[0]]
    known: list[tuple[Track, Features | ExtractionError | None]] = []
    for track in tracks:
        try:
            known.append((track, outcome(subject.encoder, track)))
        except Exception:  # noqa: S112
            continue
    many = list(subject.encoder.extract_many([track for track, _ in known]))
    require(
        len(many) == len(known),
        f"extract_many gave {len(many)} results for {len(known)} tracks: yield one for each, in "
        "order, an ExtractionError and None included",
    )
    for (track, alone), result in zip(known, many, strict=True):
        require(
            _alike(alone, result),
            f"extract_many gave {_shown(result)} for track {track.id} where extract gives "
            f"{_shown(alone)}: yield what extract gives, in the tracks' order",
        )
    require(not list(subject.encoder.extract_many([])), "extract_many([]) must yield nothing")


def check_works_in_worker_processes(subject: Subject) -> None:
    """Extraction works in other processes."""
    if not subject.encoder.parallel:
        raise CheckSkipped("the encoder says parallel = False: the core keeps it in one process")
    track, features = subject.usable[0]
    again = outcome(subject.encoder, track)
    if not isinstance(again, dict) or not same_bytes(again, features):
        raise CheckSkipped("needs the same features twice: see extract_is_deterministic")
    try:
        workers = joblib.Parallel(n_jobs=2)
        (result, _) = workers(
            joblib.delayed(_extract_there)(subject.encoder, track) for _ in range(2)
        )
    except Exception as error:
        raise CheckError(
            f"a worker process can't extract: {type(error).__name__}: {error}. Keep on the "
            "encoder only what pickle can copy (no locks, open files or models), or say "
            "parallel = False"
        ) from error
    require(
        _alike(features, result),
        "a worker process extracts other features than this one. Let extract depend on the track "
        "and the configuration only",
    )


def _extract_there(encoder: AnyEncoder, track: Track) -> Features | None:
    return encoder.extract(track)


def damaged_tracks(subject: Subject) -> Iterator[tuple[Track, str, bool]]:
    """Damaged tracks, a description of the damage, and whether `extract` must refuse them.

    It must refuse an unreadable file if it uses the file, and the encoder's `bad_tracks`.
    """
    for track in subject.bad_tracks:
        yield track, f"the bad track {track.id}", True
    track, features = subject.usable[0]
    for name, path in track.files.items():
        used = _uses_file(subject.encoder, name, track, features)
        folder = subject.new_folder()
        ending = path.suffix
        (folder / f"empty{ending}").touch()
        (folder / f"text{ending}").write_text("I am a line of text, not music.\n" * 50)
        for kind, damage in (
            ("absent", f"a file of {name} that isn't there"),
            ("empty", f"an empty file of {name}"),
            ("text", f"a text file in the place of {name}, renamed to {ending}"),
        ):
            files = {**track.files, name: folder / f"{kind}{ending}"}
            must_fail = used and not (kind == "text" and _is_text(path))
            yield dataclasses.replace(track, files=files), damage, must_fail
    for name in track.texts:
        for text, damage in (("", f"empty {name}"), ("la \ud800 la", f"{name} that isn't UTF-8")):
            yield dataclasses.replace(track, texts={**track.texts, name: text}), damage, False
    for value in ("not a number", float("inf"), ["a", "list"]):
        fields: dict[str, Any] = dict.fromkeys(track.fields, value)
        yield dataclasses.replace(track, fields=fields), f"fields that hold {value!r}", False


def _is_text(path: Path) -> bool:
    try:
        return "\0" not in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _uses_file(encoder: AnyEncoder, name: str, track: Track, features: Features) -> bool:
    others = {other: path for other, path in track.files.items() if other != name}
    try:
        without = outcome(encoder, dataclasses.replace(track, files=others))
    except Exception:
        return True
    return not isinstance(without, dict) or not same_bytes(features, without)


def _alike(alone: Features | ExtractionError | None, result: Any) -> bool:
    if isinstance(alone, dict) and isinstance(result, dict):
        return alone.keys() == result.keys() and all(
            result[name].shape == array.shape
            # A network may sum a batch in another order than one row.
            and np.allclose(result[name], array, rtol=1e-3, atol=1e-4, equal_nan=True)
            for name, array in alone.items()
        )
    if isinstance(alone, ExtractionError):
        return isinstance(result, ExtractionError) and result.track_id == alone.track_id
    return alone is None and result is None


def _shown(result: Any) -> str:
    if isinstance(result, ExtractionError):
        return f"the error {result}"
    return "None" if result is None else "other features" if isinstance(result, dict) else "junk"


CHECKS = (
    check_feature_specs,
    check_extract_gives_what_specs_say,
    check_extract_is_deterministic,
    check_missing_is_none,
    check_bad_input_is_extraction_error,
    check_extract_many_equals_extract,
    check_works_in_worker_processes,
)
