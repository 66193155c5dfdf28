"""`Sounds`: how often each of the training part's typical sounds occurs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    from .clusters import Clusters

RATE, HOP, COEFFICIENTS = 22050, 512, 20

MOST_TRACKS = 4096
"""Training tracks whose frames are clustered at most."""


@dataclass(frozen=True)
class SoundsConfig(EncoderConfig):
    """Settings of `Sounds`."""

    frames: int = setting(
        256,
        "MFCC frames per track, evenly spaced over the middle 30 s",
        changes_features=True,
    )
    sounds: int = setting(32, "number of typical sounds, the size of the embedding")

    def __post_init__(self) -> None:
        if not 1 <= self.frames <= 10_000 or not 1 <= self.sounds <= 10_000:
            raise ValueError(
                "frames and sounds must be from 1 to 10,000. "
                f"Received: {self.frames} and {self.sounds}"
            )


class Sounds(SoundEncoder[SoundsConfig]):
    """Shares of typical sounds, clusters of MFCC frames that are found without labels.

    After Dhanaraj and Logan (ISMIR 2005), of whose system only the outline is public: MFCCs, the
    clusters of a corpus's frames, and a histogram of them per song. The clusters are those of the
    training part alone. Inside the graph, the shares are the embedding.

    Example:
        >>> Sounds().embedding_size
        32
    """

    name = "sounds"
    modality = "sounds"
    version = "1"
    summary = "MFCC frames -> shares of 32 typical sounds of the corpus (Dhanaraj 2005)"
    Config = SoundsConfig

    def __init__(self, config: SoundsConfig | None = None) -> None:
        super().__init__(config)
        self._clusters: Clusters | None = None

    @property
    def clusters(self) -> Clusters:
        """The clusters that `adapt` found."""
        from .clusters import Clusters

        return self._clusters or Clusters.unfitted(COEFFICIENTS, self.config.sounds)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `frames`: `(frames, 20)` float16."""
        shape = (self.config.frames, COEFFICIENTS)
        return (FeatureSpec("frames", shape, "float16", "MFCCs of frames"),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.sounds

    def extract(self, track: Track) -> Features | None:
        """Decode one recording and compute MFCCs; see the base class."""
        if track.audio is None:
            return None
        import librosa
        import numpy as np

        [clip] = self.load_windows(track, RATE, 30 * RATE)
        mfcc = librosa.feature.mfcc(
            y=np.pad(clip, (0, max(0, HOP - len(clip)))),
            sr=RATE,
            hop_length=HOP,
            n_mfcc=COEFFICIENTS,
        )
        places = np.linspace(0, mfcc.shape[1] - 1, self.config.frames).round().astype(int)
        return {"frames": mfcc[:, places].T.astype(np.float16)}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Find the typical sounds."""
        import numpy as np

        from deephits_keras.encoders.thinning import thinned

        from .clusters import Clusters

        tracks = thinned((batch["frames"] for batch in batches), MOST_TRACKS)
        frames = tracks.reshape(-1, COEFFICIENTS).astype(np.float64)
        if len(frames):
            self._clusters = Clusters.from_frames(frames, self.config.sounds)

    def learned_columns(self, features: Features) -> Features:
        """The shares by number of the sound."""
        shares = self.clusters.shares(features["frames"])
        return {f"sound_{number}": column for number, column in enumerate(shares.T)}

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, frames, 20)` to `(batch, sounds)`."""
        from .branch import SoundShares

        clusters = self.clusters
        shares = SoundShares(
            clusters.mean.tolist(),
            clusters.deviation.tolist(),
            clusters.centers.tolist(),
            dtype="float32",
            name="shares",
        )
        return shares(inputs["frames"])
