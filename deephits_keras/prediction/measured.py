"""Fields that an encoder measures in a recording, for models trained on fields of a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.contract import ModalityEncoder
from deephits_keras.encoders.features import ExtractionError, Features
from deephits_keras.encoders.inputs import as_declared, inputs_of
from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import UserError
from deephits_keras.features.outcomes import blamed, outcomes
from deephits_keras.tracks import Track

GIVEN = "given"
"""The source of fields that were given with the track."""


@dataclass(frozen=True)
class FieldOrigin:
    """Value and source of a field.

    Attributes:
        value: Value in the field's unit.
        source: `given`, or the name of the encoder that measured it.
    """

    value: Any
    source: str


@dataclass(frozen=True)
class MeasuredTrack:
    """A track with measured fields.

    Attributes:
        track: The track with its unknown fields filled.
        fields: Value and source of every known field.
        remarks: Remarks of the encoder, for example that values are uncalibrated.
        warnings: Reasons if nothing could be measured.
    """

    track: Track
    fields: dict[str, FieldOrigin]
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def descriptor_source(name: str, settings: Mapping[str, Mapping[str, Any]]) -> AnyEncoder:
    """Create the encoder of `--descriptors`.

    Args:
        name: Name of an encoder, or of a modality for its default encoder.
        settings: Encoder settings, by modality or encoder name.

    Raises:
        UserError: if it doesn't exist or measures no fields; the message lists those that do.
    """
    known = registry()
    named = name in {registration.name for registration in known.registrations}
    encoder = known.load(name) if named else known.for_modality(name)
    if encoder.describe is ModalityEncoder.describe:
        able = [
            c.name
            for c in known.load_working().values()
            if c.describe is not ModalityEncoder.describe
        ]
        raise UserError(
            f"{name} measures no fields of a track. Encoders that do: {', '.join(able) or 'none'}"
        )
    return encoder.from_config(
        {**settings.get(encoder.modality, {}), **settings.get(encoder.name, {})}
    )


def measure_fields(tracks: Sequence[Track], encoder: AnyEncoder) -> Iterator[MeasuredTrack]:
    """Fill each track's unknown fields with measured values.

    A track with missing or unusable input, or that the encoder fails on, is unchanged and gets a
    warning.
    """
    for track, outcome in zip(tracks, outcomes(encoder, tracks), strict=True):
        given = {n: FieldOrigin(v, GIVEN) for n, v in track.fields.items() if _known(v)}
        if isinstance(outcome, ExtractionError):
            reason = outcome.reason
        elif outcome is None:
            reason = f"the track lacks the input of {encoder.modality}"
        else:
            try:
                yield _filled(track, given, encoder, outcome)
                continue
            except ExtractionError as error:
                reason = error.reason
        warning = f"{encoder.name} could measure no field: {reason}"
        yield MeasuredTrack(track, given, warnings=(warning,))


def _filled(
    track: Track, given: dict[str, FieldOrigin], encoder: AnyEncoder, features: Features
) -> MeasuredTrack:
    seen = as_declared(track, inputs_of(encoder))
    with blamed(encoder, track):
        measured = {
            name: FieldOrigin(value, encoder.name)
            for name, value in encoder.describe(seen, features).items()
            if name not in given
        }
        remarks = tuple(encoder.remarks(seen, features)) if measured else ()
    values = {name: origin.value for name, origin in measured.items()}
    filled = dataclasses.replace(track, fields={**track.fields, **values})
    return MeasuredTrack(
        filled, {**given, **measured}, tuple(f"{encoder.name}: {r}" for r in remarks)
    )


def _known(value: Any) -> bool:
    """Whether a value is known; empty texts and NaN are unknown, as in `Track.number`."""
    return isinstance(value, str | int | float) and value != "" and value == value
