"""Variants of the model: whole, without a part of the input, or with another setting."""

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
    """A named set of encoders and changed settings.

    Attributes:
        name: `all features`; `without` and the removed part; or the changed setting.
        encoders: The encoders, by modality.
        training: Changed settings of the training.
        fusion: Changed settings of the fusion; another `name` selects another fusion.
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
    """The variants of Section 3.3.2, each without one part of the input; the whole model last.

    If an encoder names parts of its input (`ModalityEncoder.ablations`), each is removed in turn;
    then the whole branch is removed, as for any other encoder, unless it is the only one.

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
"""Future work of the paper: changes of the training and the fusion, by name."""


def beyond_variants(encoders: Mapping[str, AnyEncoder]) -> list[Variant]:
    """The whole model with each setting of `BEYOND`, and unchanged.

    Settings that combine modalities are skipped if there is only one.

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
    """For each part of an encoder's input, the encoder without it.

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
    """Number of values in an encoder's features per track."""
    return sum(math.prod(spec.shape) for spec in encoder.feature_specs)


def column_names(encoder: AnyEncoder) -> list[str]:
    """Names of an encoder's columns for shallow models, in order; empty if it provides none."""
    return list(encoder.tabular(_no_tracks(encoder)))


def column_groups(encoders: Mapping[str, AnyEncoder]) -> dict[str, list[str]]:
    """The columns of each part of the input, qualified by their modality as `modality.column`.

    The columns of a part are those that the encoder without the part lacks. An encoder with
    columns but without parts is one group.
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
