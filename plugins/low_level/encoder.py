"""`LowLevel`: 207 low-level descriptors, computed with librosa."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

SIZE = 207


@dataclass(frozen=True)
class LowLevelConfig(EncoderConfig):
    """Settings of `LowLevel`."""

    seconds: float = setting(
        30.0,
        "most seconds that are analysed, from the middle of the recording",
        changes_features=True,
    )
    units: int = setting(64, "size of the embedding; 0: the scaled descriptors")
    scaling: str = setting(
        "moments",
        "scaling by mean and standard deviation, or by minimum and maximum",
        choices=("moments", "bounds"),
    )

    def __post_init__(self) -> None:
        if self.units < 0 or not 1 <= self.seconds <= 3600:
            raise ValueError(
                "units must not be negative and seconds must be from 1 to 3600. "
                f"Received: {self.units} and {self.seconds}"
            )


class LowLevel(SoundEncoder[LowLevelConfig]):
    """207 descriptors of a recording, most of them means over frames.

    After HitMusicNet (Martin-Gutierrez et al. 2020): 48 MFCCs, 12 chroma, 128 mel powers, 6
    tonnetz, 7 contrasts, zero-crossing rate, centroid, two roll-offs, bandwidth and the entropy of
    the energy, at the recording's own sample rate. Inside the graph: scaled by statistics of the
    training split, then one dense layer (none with `units=0`).

    Example:
        >>> LowLevel().feature_specs[0].shape
        (207,)
    """

    name = "low_level"
    modality = "low_level"
    version = "1"
    summary = "207 means of librosa's descriptors of the recording -> 64-D (HitMusicNet)"
    Config = LowLevelConfig

    def __init__(self, config: LowLevelConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(SIZE)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `numbers`: `(207,)` float32, in librosa's units."""
        return (FeatureSpec("numbers", (SIZE,), "float32", "librosa's descriptors"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or SIZE

    def extract(self, track: Track) -> Features | None:
        """Decode one recording and compute its descriptors; see the base class."""
        if track.audio is None:
            return None
        from .descriptors import low_level

        rate = self.sample_rate_of(track)
        [middle] = self.load_windows(track, rate, round(self.config.seconds * rate))
        return {"numbers": low_level(middle, rate)}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the scale of each descriptor."""
        numbers = (batch["numbers"] for batch in batches)
        learn = Scale.from_moments if self.config.scaling == "moments" else Scale.from_bounds
        self._scale = learn(numbers, SIZE)

    def tabular(self, features: Features) -> Features:
        """The descriptors by name."""
        from .descriptors import NAMES

        return dict(zip(NAMES, features["numbers"].T, strict=True))

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 207)` to the embedding."""
        from deephits_keras.encoders.layers import dense

        scaled = self._scale.apply(inputs["numbers"], "scaled")
        if not self.config.units:
            return scaled
        return dense(self.config.units, activation="relu", name="embedding")(scaled)
