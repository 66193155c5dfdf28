"""`ScaledFields`: named columns, scaled by their minimum and maximum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features
from deephits_keras.encoders.scaling import Scale
from deephits_keras.fields.encoder import FieldConfig, FieldEncoder

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
class ScaledFieldsConfig(FieldConfig):
    """Settings of `ScaledFields`."""

    columns: tuple[str, ...] = setting(
        COLUMNS, "columns of the corpus, in this order", changes_features=True
    )
    scaling: str = setting(
        "bounds",
        "scaling by mean and standard deviation, or by minimum and maximum",
        choices=("moments", "bounds"),
    )


class ScaledFields(FieldEncoder[ScaledFieldsConfig]):
    """Named columns as a vector, scaled by statistics of the training split.

    For fusions that need inputs instead of embeddings, such as HitMusicNet's autoencoder and the
    wide part of a wide-and-deep network. Key and mode are scaled like other numbers, as in those
    systems. An unknown value is 0 after scaling. A track without any of the columns lacks the
    modality.

    Example:
        >>> from deephits_keras.tracks import Track
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
    def embedding_size(self) -> int:
        """See the base class."""
        return len(self.config.columns)

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute each column's scale."""
        fields = (batch["fields"] for batch in batches)
        learn = Scale.from_moments if self.config.scaling == "moments" else Scale.from_bounds
        self._scale = learn(fields, len(self.config.columns))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, columns)` to the same shape."""
        return self._scale.apply(inputs["fields"], "scaled")
