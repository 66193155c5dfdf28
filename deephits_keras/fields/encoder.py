"""`FieldEncoder`: base class of encoders that read columns of the corpus as one vector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import (
    Features,
    FeatureSpec,
    Field,
    FieldFeatures,
    finite_number,
)
from deephits_keras.encoders.inputs import Input
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class FieldConfig(EncoderConfig):
    """Settings of a `FieldEncoder`; subclasses give `columns` a default."""

    columns: tuple[str, ...] = setting(
        (), "columns of the corpus, in this order", changes_features=True
    )

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns must be different names. Received: {self.columns}")
        for column in self.columns:
            Input(column)


FieldConfigT = TypeVar("FieldConfigT", bound=FieldConfig)


class FieldEncoder(ModalityEncoder[FieldConfigT]):
    """An encoder whose only feature, `fields`, is the vector of its columns.

    Outside the graph: the unscaled values of the columns, NaN where unknown. A track without any
    of them lacks the modality. Subclasses write `adapt`, `build` and `embedding_size`.
    """

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The columns."""
        return tuple(Input(column) for column in self.config.columns)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `fields`: `(columns,)` float32, in the columns' own units."""
        shape = (len(self.config.columns),)
        return (FeatureSpec("fields", shape, "float32", ", ".join(self.config.columns)),)

    def extract(self, track: Track) -> Features | None:
        """Read the columns; see the base class."""
        import numpy as np

        values = [finite_number(track, column) for column in self.config.columns]
        if all(math.isnan(value) for value in values):
            return None
        return {"fields": np.array(values, dtype=np.float32)}

    def extract_fields(
        self, fields: Mapping[str, np.ndarray[Any, Any]], tracks: int
    ) -> FieldFeatures | None:
        """Read the columns of many tracks."""
        from deephits_keras.fields.table import numeric_features

        return numeric_features(fields, self.config.columns, tracks)

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """The columns without a value."""
        pairs = zip(self.config.columns, features["fields"], strict=True)
        return tuple(column for column, value in pairs if math.isnan(value))

    def tabular(self, features: Features) -> Features:
        """The columns by name."""
        return dict(zip(self.config.columns, features["fields"].T, strict=True))

    def fields(self) -> dict[str, Field]:
        """The columns."""
        return {column: ("fields", place) for place, column in enumerate(self.config.columns)}

    def browser_half(self) -> BrowserHalf:
        """The columns, in JavaScript."""
        if type(self).extract is not FieldEncoder.extract:
            return super().browser_half()
        settings = {"columns": list(self.config.columns)}
        return BrowserHalf((Path(__file__).parent / "fields.js",), settings)
