"""`LogMelEncoder`: what encoders of log-mel spectrograms share outside the graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from deephits_keras.encoders.contract import (
    EncoderConfig,
    ExtractionError,
    Features,
    FeatureSpec,
    ModalityEncoder,
    setting,
)
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from deephits_keras.encoders.explainable import Explainable

LARGEST = {
    "sample_rate": 768_000,
    "n_fft": 2**16,
    "hop_length": 2**16,
    "mel_bands": 2**12,
    "frames": 2**17,
}
"""No setting beyond these makes sense, and some would need more memory than there is."""


@dataclass(frozen=True)
class LogMelConfig(EncoderConfig):
    """Settings of a log-mel spectrogram; the defaults are the paper's (Section 2.1, Table 2).

    Raises:
        ValueError: for a size that isn't positive.
    """

    sample_rate: int = setting(22050, "Hz", changes_features=True)
    n_fft: int = setting(1024, "samples a window", changes_features=True)
    hop_length: int = setting(512, "samples from frame to frame", changes_features=True)
    mel_bands: int = setting(128, "mel bands from 0 Hz to half the rate", changes_features=True)
    frames: int = setting(1292, "frames of the clip: 1292 are 30 s", changes_features=True)
    crop: str = setting(
        "center",
        "which part of a longer recording",
        changes_features=True,
        choices=("center", "start"),
    )
    decoder: str = setting(
        "soundfile",
        "what decodes the recording",
        changes_features=True,
        choices=("soundfile", "tensorflow-io"),
    )

    def __post_init__(self) -> None:
        for name, highest in LARGEST.items():
            if not 1 <= getattr(self, name) <= highest:
                raise ValueError(
                    f"{name} must be from 1 to {highest}. Received: {getattr(self, name)}"
                )


LogMelConfigT = TypeVar("LogMelConfigT", bound=LogMelConfig)


class LogMelEncoder(ModalityEncoder[LogMelConfigT]):
    """A base class: extracts the spectrogram and learns its mean and variance.

    A subclass states its name, its modality and its `build`, which puts the mean and the variance
    into a layer called `z_score`.

    Attributes:
        mean: Of all values of the training split, dB; 0 until `adapt` was called.
        variance: Likewise, dB squared; 1 until then.
    """

    def __init__(self, config: LogMelConfigT | None = None) -> None:
        super().__init__(config)
        self.mean, self.variance = 0.0, 1.0

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `log_mel`: `(mel_bands, frames)` float16, dB."""
        shape = (self.config.mel_bands, self.config.frames)
        return (FeatureSpec("log_mel", shape, "float16", "log-mel power spectrogram, dB"),)

    def extract(self, track: Track) -> Features | None:
        """Decode and transform one recording; see the base class."""
        if track.audio is None:
            return None
        from deephits_keras.audio.decoding import AudioError, load_audio
        from deephits_keras.audio.spectrogram import clip, log_mel

        config = self.config
        try:
            waveform = load_audio(track.audio, config.sample_rate, decoder=config.decoder)
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error
        return {"log_mel": log_mel(clip(waveform, config), config).astype("float16")}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Take the mean and variance of all values of the training split."""
        from deephits_keras.audio.spectrogram import Moments

        moments = Moments()
        for batch in batches:
            moments.add(batch["log_mel"])
        self.mean, self.variance = moments.mean, moments.variance

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """The spectrogram as a whole against an even one at the training tracks' mean level."""
        from deephits_keras.encoders.explainable import ExplainableFeatures

        del track
        values, baseline, reference = against_mean_level(features, branch)
        return ExplainableFeatures(values, branch, baseline, reference)


def against_mean_level(features: Features, branch: keras.Model) -> tuple[Features, Features, str]:
    """A spectrogram in float32, an even one at the training tracks' mean level, and its name.

    Args:
        features: What a `LogMelEncoder` extracted.
        branch: The encoder's branch, whose layer `z_score` knows the mean.
    """
    import numpy as np
    from keras import ops

    decibels = features["log_mel"].astype(np.float32)
    level = float(np.ravel(ops.convert_to_numpy(branch.get_layer("z_score").mean))[0])
    reference = f"an even spectrogram at the training tracks' mean level, {level:.1f} dB"
    return {"log_mel": decibels}, {"log_mel": np.full_like(decibels, level)}, reference
