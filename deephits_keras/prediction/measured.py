"""Fields of a track that an encoder measures, for models that were trained on a table's."""

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
"""The source of a field that came with the track."""


@dataclass(frozen=True)
class FieldOrigin:
    """A field's value and where it came from.

    Attributes:
        value: In the field's own unit.
        source: `given`, or the name of the encoder that measured it.
    """

    value: Any
    source: str


@dataclass(frozen=True)
class MeasuredTrack:
    """A track with what was measured of it.

    Attributes:
        track: The track, its unknown fields filled.
        fields: Value and source of every text and number that is known.
        remarks: What the encoder says of its values, for example that they are uncalibrated.
        warnings: Why nothing could be measured.
    """

    track: Track
    fields: dict[str, FieldOrigin]
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def descriptor_source(name: str, settings: Mapping[str, Mapping[str, Any]]) -> AnyEncoder:
    """The encoder that `--descriptors` names.

    Args:
        name: An encoder, or a modality that stands for its default encoder.
        settings: Values for encoders' settings, by modality or by encoder name.

    Raises:
        UserError: if there is none, or it measures no fields; the message lists those that do.
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
    """Fill each track's unknown fields from its input; what was given stays.

    A track whose input isn't there or can't be used, or that the encoder can't cope with, stays
    as it is, with a warning.
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
    """Whether it is text or a number: `Track.number` takes "" and NaN for unknown."""
    return isinstance(value, str | int | float) and value != "" and value == value
