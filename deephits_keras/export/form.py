"""What a form asks for: the inputs of a model's encoders, and what is known of each field."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deephits_keras.corpus.values import STANDARD
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, inputs_of
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.features.words import listed
from deephits_keras.fields.standard import DESCRIPTORS, METADATA

USUAL = {
    "release_year": (1950, 2030),
    "duration_ms": (30_000, 600_000),
    "loudness": (-40, 0),
    "tempo": (40, 220),
    "time_signature": (1, 7),
}
"""Where sliders begin and end, if not at the limits of a column: hardly a song is beyond."""

STEPS = 100
"""Steps of a slider of numbers that needn't be whole."""


@dataclass(frozen=True)
class FieldInfo:
    """A field that an encoder reads.

    Attributes:
        name: Its name.
        number: Whether it is a number; else it is a number or a text of any kind.
        low: Lowest value allowed.
        high: Highest value allowed.
        whole: Whether only integers are allowed.
        unit: Its unit.
        slider: Lowest and highest value and step of a slider.
        words: Words of the training tracks, the most frequent first, of a category.
        seen: Whether any training track has a value of it; else it counts as unknown.
    """

    name: str
    number: bool = False
    low: float | None = None
    high: float | None = None
    whole: bool = False
    unit: str = ""
    slider: tuple[float, float, float] | None = None
    words: tuple[str, ...] = ()
    seen: bool = True

    @property
    def label(self) -> str:
        """The name for readers."""
        return self.name.removesuffix("_ms").replace("_", " ")

    @property
    def range(self) -> str:
        """The allowed values for readers."""
        if self.words:
            return f"one of the training tracks' words: {listed(self.words)}"
        if not self.number:
            return "number or text"
        kind = "whole number" if self.whole else "number"
        return f"{kind} from {self.low:.10g} to {self.high:.10g}"

    @property
    def json_schema(self) -> dict[str, Any]:
        """As a property of a JSON Schema; texts that spell a number are taken as well."""
        if not self.number:
            return {"type": ["number", "string", "boolean", "null"]}
        bounds = {"minimum": self.low, "maximum": self.high}
        kind = {"type": "integer" if self.whole else "number", **bounds}
        unit = {"description": self.unit} if self.unit else {}
        return {"anyOf": [kind, {"type": "string"}, {"type": "null"}], **unit}


def read_by(encoders: Iterable[AnyEncoder]) -> list[Input]:
    """The inputs of some encoders, each once; the common ones of an encoder that declares none."""
    common = (AUDIO, LYRICS, *map(Input, (*DESCRIPTORS, *METADATA)))
    found: dict[str, Input] = {}
    for encoder in encoders:
        inputs = inputs_of(encoder)
        for each in common if inputs is None else inputs:
            found.setdefault(each.name, each)
    return list(found.values())


def fields_of(
    encoders: Mapping[str, AnyEncoder],
    words: Mapping[str, Sequence[str]],
    unseen: Mapping[str, Collection[str]],
) -> tuple[FieldInfo, ...]:
    """The fields that some encoders read.

    Args:
        encoders: By modality.
        words: Words of the training tracks, by field.
        unseen: Fields that training never saw, by modality.
    """
    seen: set[str] = set()
    for modality, encoder in encoders.items():
        seen |= {each.name for each in read_by([encoder])} - set(unseen.get(modality, ()))
    return tuple(
        dataclasses.replace(field_info(each.name, words), seen=each.name in seen)
        for each in read_by(encoders.values())
        if each.kind == "field"
    )


def field_info(name: str, words: Mapping[str, Sequence[str]]) -> FieldInfo:
    """What is known of a field by its name.

    Args:
        name: The field.
        words: Words of the training tracks, by field.

    Example:
        >>> field_info("tempo", {}).range, field_info("genre", {}).range
        ('number from 10 to 1000', 'number or text')
    """
    column = STANDARD.get(name)
    if column is None:
        return FieldInfo(name, words=tuple(words.get(name, ())))
    low, high = USUAL.get(name, (column.low, column.high))
    step = 1 if column.whole or high - low >= STEPS else (high - low) / STEPS
    if high - low > 100 * STEPS:
        step = 1000
    return FieldInfo(
        name,
        number=True,
        low=column.low,
        high=column.high,
        whole=column.whole,
        unit=column.unit,
        slider=(low, high, step),
    )
