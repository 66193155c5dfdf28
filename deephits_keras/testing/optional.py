"""Checks of an encoder's optional methods: inputs, remarks, parts, columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deephits_keras.corpus.values import clean_fields
from deephits_keras.encoders.contract import ModalityEncoder
from deephits_keras.encoders.features import ExtractionError, Features, places_of
from deephits_keras.encoders.inputs import as_declared, inputs_of
from deephits_keras.encoders.picture import Picture
from deephits_keras.errors import UserError
from deephits_keras.features.outcomes import fault
from deephits_keras.testing.subject import (
    CheckError,
    CheckSkipped,
    Subject,
    branch_of,
    declared,
    outcome,
    raised,
    require,
    same_bytes,
    stack,
)
from deephits_keras.tracks import Track
from deephits_keras.types import Array


def check_inputs_are_all_that_is_read(subject: Subject) -> None:
    """`extract` gives the same result for a track with the declared inputs only."""
    try:
        inputs = inputs_of(subject.encoder)
    except UserError as error:
        raise CheckError(str(error)) from error
    if inputs is None:
        raise CheckSkipped(
            "the encoder declares no inputs, so that whatever changes in a track has it extracted "
            'again: inputs = (AUDIO, Input("tempo")) tells what it reads'
        )
    for track, features in subject.usable:
        alone = outcome(subject.encoder, as_declared(track, inputs))
        require(
            isinstance(alone, dict) and same_bytes(features, alone),
            f"extract gives other features for track {track.id} when it holds nothing but the "
            f"declared inputs {', '.join(each.name for each in inputs) or '(none)'}: declare all "
            "that extract reads in inputs",
        )


def check_missing_parts_are_names(subject: Subject) -> None:
    """`missing_parts` returns names of parts."""
    for track, features in _described(subject):
        parts = _given(subject.encoder, "missing_parts", track, features)
        names = list(parts) if isinstance(parts, tuple | list) else None
        require(
            names is not None
            and all(isinstance(name, str) and name.strip() for name in names)
            and len(set(names)) == len(names),
            f"missing_parts must give a tuple of different names, () for none. Received: {parts!r}",
        )


def check_remarks_are_sentences(subject: Subject) -> None:
    """`remarks` returns texts."""
    for track, features in _described(subject):
        remarks = _given(subject.encoder, "remarks", track, features)
        require(
            isinstance(remarks, tuple | list)
            and all(isinstance(text, str) and text.strip() for text in remarks),
            f"remarks must give a tuple of texts, () for none. Received: {remarks!r}",
        )


def check_picture_is_one(subject: Subject) -> None:
    """`picture` returns a `Picture` with a caption, or None."""
    for track, features in _described(subject):
        try:
            picture = subject.encoder.picture(features)
        except Exception as error:
            raise CheckError(f"for track {track.id}, {raised('picture', error)}") from error
        require(
            picture is None or (isinstance(picture, Picture) and picture.caption.strip()),
            f"picture must give a Picture with a caption, or None. Received: {picture!r:.200}",
        )


def check_describe_gives_known_numbers(subject: Subject) -> None:
    """`describe` returns finite numbers, within the ranges of standard columns."""
    for track, features in _described(subject):
        values = _given(subject.encoder, "describe", track, features)
        require(
            isinstance(values, Mapping) and all(isinstance(name, str) for name in values),
            f"describe must give numbers by the field's name. Received: {values!r}",
        )
        for name, value in values.items():
            require(
                isinstance(value, int | float | np.number) and np.isfinite(value),
                f"describe gives {name}={value!r} for track {track.id}: give finite numbers, and "
                "leave out what isn't known",
            )
        _, wrong = clean_fields({name: float(value) for name, value in values.items()})
        require(
            not wrong,
            f"describe: {', '.join(wrong.values())}. Give each in the unit of a corpus's column",
        )


def check_fields_are_in_features(subject: Subject) -> None:
    """`fields` names valid places of the features, each once."""
    encoder = subject.encoder
    shapes = {spec.name: spec.shape for spec in encoder.feature_specs}
    owners: dict[tuple[str, int], str] = {}
    fields = encoder.fields()
    require(
        isinstance(fields, Mapping) and all(isinstance(n, str) and n.strip() for n in fields),
        f"fields must give places by the field's name. Received: {fields!r:.200}",
    )
    for name, field in fields.items():
        try:
            places = [(feature, place) for feature, place in places_of(field)]
            sizes = [shapes[feature][0] if shapes[feature] else 1 for feature, _ in places]
            pairs = list(zip(places, sizes, strict=True))
            inside = all(place is None or 0 <= int(place) < size for (_, place), size in pairs)
        except (KeyError, TypeError, ValueError, IndexError):
            inside = False
        require(
            inside,
            f"fields says that {name} is at {field!r}, which isn't there: give a feature's name "
            f"and a place on its first axis, or None for all of it. Features: {shapes}",
        )
        for (feature, place), size in pairs:
            for index in range(size) if place is None else (int(place),):
                other = owners.setdefault((feature, index), name)
                require(
                    other == name,
                    f"fields gives {feature}[{index}] to both {other} and {name}: each is "
                    "exchanged on its own, so give it to one",
                )


def check_ablations_do_without(subject: Subject) -> None:
    """The encoder extracts and builds without each part of `ablations`."""
    encoder = subject.encoder
    parts = encoder.ablations()
    require(
        isinstance(parts, Mapping),
        f"ablations must give settings by the part's name. Received: {parts!r:.200}",
    )
    for part, changes in parts.items():
        require(
            isinstance(part, str) and re.fullmatch(r"[a-z][a-z0-9_]*", part),
            f"ablations calls a part {part!r}: it must be a lower-case identifier",
        )
        try:
            smaller = type(encoder).from_config({**encoder.get_config(), **changes})
        except Exception as error:
            raise CheckError(
                f"the settings for doing without {part}, {changes!r}, can't be used: {error}"
            ) from error
        require(
            smaller.config != encoder.config,
            f"doing without {part} changes no setting: give those that leave it out",
        )
        for track, _ in subject.usable:
            try:
                result = outcome(smaller, track)
            except Exception as error:
                raise CheckError(f"without {part}, {raised('extract', error)}") from error
            wrong = fault(smaller, result) if isinstance(result, dict) else ""
            require(not wrong, f"without {part}: {wrong}")
        try:
            branch_of(smaller)
        except Exception as error:
            raise CheckError(f"without {part}, {raised('build', error)}") from error


def check_tabular_is_columns(subject: Subject) -> None:
    """`tabular` returns the same columns for any batch, each row from its own features."""
    encoder = subject.encoder
    if type(encoder).tabular is ModalityEncoder.tabular:
        return
    batch = stack(subject.features)
    rows = len(subject.features)
    table = _table(encoder, batch, rows)
    none = _table(encoder, {name: array[:0] for name, array in batch.items()}, 0)
    require(
        list(none) == list(table),
        f"tabular gives the columns {list(table)} for {rows} tracks and {list(none)} for none: let "
        "them depend on the configuration alone",
    )
    for row in range(rows):
        single = {name: array[row : row + 1] for name, array in batch.items()}
        alone = _table(encoder, single, 1)
        same = list(alone) == list(table) and all(
            np.allclose(column[0], table[name][row], rtol=1e-6, equal_nan=True)
            for name, column in alone.items()
        )
        require(
            same,
            "tabular gives a track other values in a batch than alone: scale nothing, and compute "
            "each row from its own features",
        )


def _table(encoder: Any, batch: Features, rows: int) -> dict[str, Array]:
    try:
        table = {name: np.asarray(column) for name, column in encoder.tabular(batch).items()}
    except Exception as error:
        raise CheckError(f"for a batch of {rows}, {raised('tabular', error)}") from error
    for name, column in table.items():
        require(
            isinstance(name, str)
            and column.shape == (rows,)
            and np.issubdtype(column.dtype, np.floating)
            and not np.isinf(column).any(),
            f"tabular's column {name!r} is {column.dtype} {column.shape} for {rows} tracks: give "
            f"floats of the shape ({rows},), NaN where unknown and never infinite",
        )
    return table


def _described(subject: Subject) -> list[tuple[Track, Features]]:
    return [(declared(subject.encoder, track), features) for track, features in subject.usable]


def _given(encoder: Any, method: str, track: Track, features: Features) -> Any:
    try:
        return getattr(encoder, method)(track, features)
    except ExtractionError:
        raise
    except Exception as error:
        raise CheckError(f"for track {track.id}, {raised(method, error)}") from error


CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_inputs_are_all_that_is_read,
    check_missing_parts_are_names,
    check_remarks_are_sentences,
    check_picture_is_one,
    check_describe_gives_known_numbers,
    check_fields_are_in_features,
    check_ablations_do_without,
    check_tabular_is_columns,
)
