"""`Stylometry`: six stylometric numbers of lyrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.encoders.contract import LYRICS, EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

SIZE = 6


@dataclass(frozen=True)
class StylometryConfig(EncoderConfig):
    """Settings of `Stylometry`."""

    units: int = setting(16, "size of the embedding; 0: the scaled numbers")
    scaling: str = setting(
        "moments",
        "scaling by mean and standard deviation, or by minimum and maximum",
        choices=("moments", "bounds"),
    )

    def __post_init__(self) -> None:
        if self.units < 0:
            raise ValueError(f"units must not be negative. Received: {self.units}")


class Stylometry(ModalityEncoder[StylometryConfig]):
    r"""Counts of lines and words, their lengths, similarity of lines and vocabulary richness.

    After HitMusicNet (Martin-Gutierrez et al. 2020). Syllables are counted by groups of vowels,
    and stop words are kept, so that no language has to be detected. Inside the graph: scaled by
    statistics of the training split, then one dense layer (none with `units=0`).

    Example:
        >>> track = Track("t", lyrics="la la la\nnight and day")
        >>> Stylometry().extract(track)["style"].tolist()[:3]
        [2.0, 3.0, 6.0]
    """

    name = "stylometry"
    modality = "style"
    version = "1"
    summary = "six stylometric numbers of the lyrics -> 16-D (HitMusicNet)"
    inputs = (LYRICS,)
    Config = StylometryConfig

    def __init__(self, config: StylometryConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(SIZE)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `style`: `(6,)` float32."""
        return (FeatureSpec("style", (SIZE,), "float32", "lines, words, syllables, similarity"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or SIZE

    def extract(self, track: Track) -> Features | None:
        """Compute the numbers; see the base class."""
        from .style import style_of

        numbers = style_of(track.lyrics or "")
        return None if numbers is None else {"style": numbers}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute each number's scale."""
        numbers = (batch["style"] for batch in batches)
        learn = Scale.from_moments if self.config.scaling == "moments" else Scale.from_bounds
        self._scale = learn(numbers, SIZE)

    def tabular(self, features: Features) -> Features:
        """The numbers by name."""
        from .style import NAMES

        return dict(zip(NAMES, features["style"].T, strict=True))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 6)` to the embedding."""
        from deephits_keras.encoders.layers import dense

        scaled = self._scale.apply(inputs["style"], "scaled")
        if not self.config.units:
            return scaled
        return dense(self.config.units, activation="relu", name="embedding")(scaled)
