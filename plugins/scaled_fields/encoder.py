"""`ScaledFields`: named columns, scaled by their minimum and maximum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import EncoderConfig, Input, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec, FieldFeatures, finite_number
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import numpy as np

COLUMNS = (
    "acousticness",
    "danceability",
    "duration_ms",
    "energy",
    "instrumentalness",
    "key",
    "liveness",
    "loudness",
    "mode",
    "speechiness",
    "tempo",
    "valence",
    "artist_popularity",
)


@dataclass(frozen=True)
class ScaledFieldsConfig(EncoderConfig):
    """Settings of `ScaledFields`."""

    columns: tuple[str, ...] = setting(
        COLUMNS, "columns of the corpus, in this order", changes_features=True
    )
    scaling: str = setting(
        "bounds",
        "scaling by mean and standard deviation, or by minimum and maximum",
        choices=("moments", "bounds"),
    )

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns must be different names. Received: {self.columns}")


class ScaledFields(ModalityEncoder[ScaledFieldsConfig]):
    """Named columns as a vector, scaled by statistics of the training split.

    For fusions that need inputs instead of embeddings, such as HitMusicNet's autoencoder and the
    wide part of a wide-and-deep network. Key and mode are scaled like other numbers, as in those
    systems. An unknown value is 0 after scaling. A track without any of the columns lacks the
    modality.

    Example:
        >>> encoder = ScaledFields(ScaledFieldsConfig(columns=("tempo", "energy")))
        >>> encoder.extract(Track("t", fields={"tempo": 120}))["fields"]
        array([120.,  nan], dtype=float32)
    """

    name = "scaled_fields"
    modality = "meta"
    version = "1"
    summary = "named columns of the corpus, each scaled to 0-1"
    Config = ScaledFieldsConfig

    def __init__(self, config: ScaledFieldsConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(len(self.config.columns))

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The columns."""
        return tuple(Input(column) for column in self.config.columns)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `fields`: `(columns,)` float32, in the columns' own units."""
        shape = (len(self.config.columns),)
        return (FeatureSpec("fields", shape, "float32", ", ".join(self.config.columns)),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return len(self.config.columns)

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

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute each column's scale."""
        fields = (batch["fields"] for batch in batches)
        learn = Scale.from_moments if self.config.scaling == "moments" else Scale.from_bounds
        self._scale = learn(fields, len(self.config.columns))

    def tabular(self, features: Features) -> Features:
        """The columns by name."""
        return dict(zip(self.config.columns, features["fields"].T, strict=True))

    def fields(self) -> dict[str, tuple[str, int]]:
        """The columns."""
        return {column: ("fields", place) for place, column in enumerate(self.config.columns)}

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, columns)` to the same shape."""
        return self._scale.apply(inputs["fields"], "scaled")
