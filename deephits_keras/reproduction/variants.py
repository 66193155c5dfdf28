"""What is compared: the whole model, without a part of its input, or with another setting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deephits_keras.encoders.features import Features
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError

ALL_FEATURES = "all features"


@dataclass(frozen=True)
class Variant:
    """Encoders and changed settings under a name.

    Attributes:
        name: `all features`; `without` and what is left out; or what is changed.
        encoders: The encoders, by modality.
        training: Settings of the training to change.
        fusion: Settings of the fusion to change; `name` makes it another fusion.
    """

    name: str
    encoders: Mapping[str, AnyEncoder]
    training: Mapping[str, Any] = field(default_factory=dict)
    fusion: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name as a folder's."""
        return self.name.replace(" ", "-")


def name_of(slug: str) -> str:
    """The name of the variant with that slug."""
    return slug.replace("-", " ")


def ablated_variants(encoders: Mapping[str, AnyEncoder]) -> list[Variant]:
    """The variants of Section 3.3.2, each without one part of the input; the whole one last.

    An encoder that names parts of its input (`ModalityEncoder.ablations`) loses them one by one;
    then the whole branch is removed, as it is of any other encoder, unless it is the only one.

    Args:
        encoders: Every encoder, by modality.

    Raises:
        UserError: if a part's name can't be used, or two parts share one.
    """
    variants: dict[str, Variant] = {}
    for modality, encoder in encoders.items():
        parts: dict[str, Mapping[str, AnyEncoder]] = {
            part: {**encoders, modality: smaller} for part, smaller in parts_of(encoder).items()
        }
        if len(encoders) > 1:
            parts.setdefault(modality, {m: e for m, e in encoders.items() if m != modality})
        for part, rest in parts.items():
            if part in variants:
                raise UserError(
                    f"Two parts of the input are called {part!r}; one is of the encoder "
                    f"{encoder.name!r}. Leave a modality out with --modalities"
                )
            variants[part] = Variant(f"without {part}", rest)
    return [*variants.values(), Variant(ALL_FEATURES, encoders)]


def is_ablation(name: str) -> bool:
    """Whether a variant is the whole model, or the model without a part of its input."""
    return name == ALL_FEATURES or name.startswith("without ")


BEYOND: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "corn head": ({}, {"head": "corn"}),
    "cumulative head": ({}, {"head": "cumulative"}),
    "focal loss": ({"loss": "focal"}, {}),
    "cost loss": ({"loss": "cost"}, {}),
    "balanced weights": ({"class_weights": "balanced"}, {}),
    "late fusion": ({}, {"name": "late"}),
    "gated fusion": ({}, {"name": "gated"}),
    "modality dropout": ({"modality_dropout": 0.2}, {}),
    "temperature and sets": ({"calibrate": "auto", "coverage": 0.9}, {}),
    "ensemble of 3": ({"ensemble": 3}, {}),
}
"""What the paper leaves as future work: changes of the training and of the fusion, by name."""


def beyond_variants(encoders: Mapping[str, AnyEncoder]) -> list[Variant]:
    """The whole model with each setting of `BEYOND`, and as it is.

    What decides between modalities is left out where there is only one.

    Args:
        encoders: Every encoder, by modality.
    """
    between = {"late fusion", "gated fusion", "modality dropout"} if len(encoders) < 2 else set()
    changed = {name: changes for name, changes in BEYOND.items() if name not in between}
    return [
        *(Variant(name, encoders, *changes) for name, changes in changed.items()),
        Variant(ALL_FEATURES, encoders),
    ]


def parts_of(encoder: AnyEncoder) -> dict[str, AnyEncoder]:
    """For each part of an encoder's input, the encoder that does without it.

    Raises:
        UserError: if a part's name isn't a lower-case identifier.
    """
    parts = {}
    for part, changes in encoder.ablations().items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", part):
            raise UserError(
                f"The encoder {encoder.name!r} calls a part of its input {part!r}: "
                "it must be a lower-case identifier"
            )
        parts[part] = type(encoder).from_config({**encoder.get_config(), **changes})
    return parts


def size_of(encoder: AnyEncoder) -> int:
    """Numbers that an encoder's features hold for one track."""
    return sum(math.prod(spec.shape) for spec in encoder.feature_specs)


def column_names(encoder: AnyEncoder) -> list[str]:
    """Names of an encoder's columns for shallow models, in order; none if it gives none."""
    return list(encoder.tabular(_no_tracks(encoder)))


def column_groups(encoders: Mapping[str, AnyEncoder]) -> dict[str, list[str]]:
    """The columns of each part of the input, qualified by their modality as `modality.column`.

    A part's columns are those that the encoder lacks when it does without the part. An encoder
    that gives columns but names no parts is a group of its own.
    """
    groups: dict[str, list[str]] = {}
    for modality, encoder in encoders.items():
        columns = column_names(encoder)
        parts = parts_of(encoder) if columns else {}
        left_out = {
            part: [c for c in columns if c not in column_names(smaller)]
            for part, smaller in parts.items()
        }
        for group, names in (left_out or {modality: columns}).items():
            if names:
                groups[group] = [f"{modality}.{name}" for name in names]
    return groups


def _no_tracks(encoder: AnyEncoder) -> Features:
    return {s.name: np.empty((0, *s.shape), s.dtype) for s in encoder.feature_specs}


def describe_encoders(encoders: Mapping[str, AnyEncoder]) -> dict[str, Any]:
    """Name, version and settings of each encoder by modality, as JSON types."""
    return {
        modality: {"encoder": e.name, "version": e.version, "config": e.get_config()}
        for modality, e in encoders.items()
    }
