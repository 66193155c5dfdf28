"""`EssentiaStatistics`: statistics of Essentia's MusicExtractor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import ExtractionError, Features, FeatureSpec
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

from .groups import GROUPS, NAMES


@dataclass(frozen=True)
class EssentiaStatisticsConfig(EncoderConfig):
    """Settings of `EssentiaStatistics`."""

    units: int = setting(0, "size of the embedding; 0: the scaled statistics, in groups")
    scaling: str = setting(
        "bounds",
        "scaling by mean and standard deviation, or by minimum and maximum",
        choices=("moments", "bounds"),
    )

    def __post_init__(self) -> None:
        if self.units < 0:
            raise ValueError(f"units must not be negative. Received: {self.units}")


class EssentiaStatistics(SoundEncoder[EssentiaStatisticsConfig]):
    """The low-level, tonal and rhythmic statistics of Essentia's MusicExtractor, in 31 groups.

    The groups that Zangerle et al. (ISMIR 2019) call deep: 24 families of low-level descriptors
    with nine statistics over frames each, four tonal ones, with key and scale as indicators, and
    three rhythmic ones. Their five wide groups are classifiers' moods, genre and voice, which the
    Essentia of PyPI doesn't contain, and the year: give them as columns to `scaled_fields`. Needs
    the extra `essentia`, which is under the AGPL-3.0.

    Inside the graph: scaled by statistics of the training split; an unknown number is 0. With
    `units`, a dense layer follows.

    Example:
        >>> len(EssentiaStatistics().groups())
        31
    """

    name = "essentia_statistics"
    modality = "statistics"
    version = "1"
    summary = "31 groups of statistics of Essentia's MusicExtractor (AGPL-3.0; Zangerle 2019)"
    Config = EssentiaStatisticsConfig

    def __init__(self, config: EssentiaStatisticsConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(len(NAMES))

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `statistics`: float32 in Essentia's units, NaN where unknown."""
        return (FeatureSpec("statistics", (len(NAMES),), "float32", "MusicExtractor's"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or len(NAMES)

    def groups(self) -> Mapping[str, int]:
        """The groups of the scaled statistics; none with `units`."""
        return {} if self.config.units else {name: len(of) for name, of in GROUPS.items()}

    def fingerprint_config(self) -> dict[str, Any]:
        """Includes Essentia's version."""
        from ..essentia_descriptors.measure import essentia_version

        return {**super().fingerprint_config(), "essentia": essentia_version()}

    def extract(self, track: Track) -> Features | None:
        """Measure one recording; see the base class."""
        if track.audio is None:
            return None
        from deephits_keras.audio.errors import AudioError

        from .measure import measure

        try:
            return {"statistics": measure(track.audio)}
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the scale of each statistic."""
        statistics = (batch["statistics"] for batch in batches)
        learn = Scale.from_moments if self.config.scaling == "moments" else Scale.from_bounds
        self._scale = learn(statistics, len(NAMES))

    def tabular(self, features: Features) -> Features:
        """The statistics by Essentia's names."""
        return dict(zip(NAMES, features["statistics"].T, strict=True))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, statistics)` to the embedding."""
        from deephits_keras.encoders.layers import dense

        scaled = self._scale.apply(inputs["statistics"], "scaled")
        if not self.config.units:
            return scaled
        return dense(self.config.units, activation="relu", name="embedding")(scaled)
