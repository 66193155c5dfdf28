"""`MFCCCovariance`: the covariance matrix of MFCCs as an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.encoders.scaling import Scale
from deephits_keras.tracks import Track

SHAPE = (13, 13, 2)
NUMBERS = 13 * 13 * 2


@dataclass(frozen=True)
class MFCCCovarianceConfig(EncoderConfig):
    """Settings of `MFCCCovariance`."""

    seconds: float = setting(
        30.0,
        "most seconds that are analysed, from the middle of the recording",
        changes_features=True,
    )
    units: int = setting(64, "size of the embedding")

    def __post_init__(self) -> None:
        if self.units < 1 or not 1 <= self.seconds <= 3600:
            raise ValueError(
                "units must be positive and seconds must be from 1 to 3600. "
                f"Received: {self.units} and {self.seconds}"
            )


class MFCCCovariance(SoundEncoder[MFCCCovarianceConfig]):
    """The covariance of 13 MFCCs and its inverse, as an image for a small CNN.

    A reconstruction of HSP-TL (Vavaroutsos and Vikatos, EUSIPCO 2023), of which DeepHits' Table 1
    only says that it has "13 x 13 MFCC patches": `lowlevel.mfcc.cov` and `.icov` of Essentia's
    MusicExtractor have that shape. Here librosa computes the MFCCs, at MusicExtractor's sample rate
    and frame size, so the values differ from Essentia's.

    Inside the graph: every number scaled by its mean and standard deviation in the training split,
    convolutions with 16 and 32 channels of 3 x 3, the mean over positions, and a dense layer.

    Example:
        >>> MFCCCovariance().feature_specs[0].shape
        (13, 13, 2)
    """

    name = "mfcc_covariance"
    modality = "mfcc"
    version = "1"
    summary = "covariance of 13 MFCCs and its inverse -> CNN -> 64-D (HSP-TL, reconstructed)"
    Config = MFCCCovarianceConfig

    def __init__(self, config: MFCCCovarianceConfig | None = None) -> None:
        super().__init__(config)
        self._scale = Scale.from_identity(NUMBERS)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `matrices`: `(13, 13, 2)` float32, covariance in dB squared and inverse."""
        return (FeatureSpec("matrices", SHAPE, "float32", "covariance of MFCCs, and its inverse"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def extract(self, track: Track) -> Features | None:
        """Decode one recording and compute the matrices; see the base class."""
        if track.audio is None:
            return None
        from .matrices import RATE, matrices

        [middle] = self.load_windows(track, RATE, round(self.config.seconds * RATE))
        return {"matrices": matrices(middle)}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the scale of each number."""
        numbers = (batch["matrices"].reshape(-1, NUMBERS) for batch in batches)
        self._scale = Scale.from_moments(numbers, NUMBERS)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, 13, 13, 2)` to `(batch, units)`."""
        from keras import layers

        from deephits_keras.encoders.layers import dense

        x = layers.Reshape((NUMBERS,), name="numbers")(inputs["matrices"])
        x = layers.Reshape(SHAPE, name="image")(self._scale.apply(x, "scaled"))
        for number, channels in enumerate((16, 32), start=1):
            x = layers.Conv2D(channels, 3, activation="relu", name=f"conv{number}")(x)
        x = layers.GlobalAveragePooling2D(name="average")(x)
        return dense(self.config.units, activation="relu", name="embedding")(x)
