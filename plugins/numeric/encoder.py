"""`Numeric`: the paper's high-level audio descriptors and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.contract import setting
from deephits_keras.encoders.features import Features
from deephits_keras.fields.encoder import FieldConfig, FieldEncoder
from deephits_keras.fields.standard import DESCRIPTORS, METADATA
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableFields


@dataclass(frozen=True)
class NumericConfig(FieldConfig):
    """Settings of `Numeric`; the defaults are the paper's."""

    columns: tuple[str, ...] = setting(
        DESCRIPTORS + METADATA, "columns of the corpus, in this order", changes_features=True
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class Numeric(FieldEncoder[NumericConfig]):
    """Named columns as one vector, through two dense layers.

    Outside the graph: the unscaled values of the columns, NaN where unknown. A track without any
    of them lacks the modality.

    Inside: z-scores by the mean and standard deviation of the training split, with unknown values
    at the mean; `key` as thirteen indicators (twelve pitch classes and "undefined"); `mode` as one
    flag, 0 if unknown. For the default columns that is the 26-D vector of Section 2.1, then
    26-64-64 with ReLU: 5,888 trainable parameters (Table A1).

    Example:
        >>> encoder = Numeric(NumericConfig(columns=("tempo", "energy")))
        >>> encoder.extract(Track("t", fields={"tempo": 120}))["fields"]
        array([120.,  nan], dtype=float32)
    """

    name = "numeric"
    modality = "meta"
    version = "1"
    summary = "named columns of the corpus -> 26-D vector -> 64-D (Table A1)"
    default = True
    Config = NumericConfig

    def __init__(self, config: NumericConfig | None = None) -> None:
        super().__init__(config)
        count = len(self.config.columns)
        self._mean, self._deviation = [0.0] * count, [1.0] * count

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute each column's mean and deviation over the tracks with a value."""
        from deephits_keras.encoders.moments import Moments

        fields = (batch["fields"] for batch in batches)
        moments = Moments.from_batches(fields, len(self.config.columns))
        self._mean, self._deviation = moments.mean.tolist(), moments.deviation.tolist()

    def ablations(self) -> dict[str, dict[str, Any]]:
        """The descriptors and the metadata (Tables 7 and A2)."""
        parts = {"descriptors": DESCRIPTORS, "metadata": METADATA}
        columns = self.config.columns
        rests = {part: [c for c in columns if c not in left] for part, left in parts.items()}
        return {
            part: {"columns": rest} for part, rest in rests.items() if 0 < len(rest) < len(columns)
        }

    def tabular(self, features: Features) -> Features:
        """The columns by name; `key` as thirteen indicators, as in the graph."""
        from deephits_keras.fields.columns import named_columns

        return named_columns(features["fields"], self.config.columns)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, columns)` to `(batch, units)`."""
        from deephits_keras.fields.vector import field_branch

        return field_branch(
            inputs["fields"],
            fields=self.config.columns,
            mean=self._mean,
            deviation=self._deviation,
            units=self.config.units,
        )

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableFields:
        """Attribute to the vector of Section 2.1, with a track without values as the baseline."""
        from .explaining import ExplainableFields

        del track
        return ExplainableFields(self.config.columns, features["fields"], branch)
