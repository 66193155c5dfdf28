"""`LogMelEncoder`: the shared part of log-mel encoders outside the graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deephits_keras.audio.settings import LogMelConfig
from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.features import Features, FeatureSpec
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import keras

    from deephits_keras.encoders.explainable import Explainable
    from deephits_keras.encoders.picture import Picture


IN_BROWSER = (
    "sample_rate",
    "n_fft",
    "hop_length",
    "mel_bands",
    "frames",
    "crop",
    "windows",
)
"""Settings of which the features depend in a page; there the browser is the decoder."""

LogMelConfigT = TypeVar("LogMelConfigT", bound=LogMelConfig)


class LogMelEncoder(SoundEncoder[LogMelConfigT]):
    """Base class that extracts the spectrogram and computes its mean and variance.

    A subclass states its name, its modality and its `build`, which puts the mean and the variance
    into a layer called `z_score`.

    Attributes:
        mean: Mean of all values of the training split, in dB; 0 before `adapt`.
        variance: Their variance, in dB squared; 1 before `adapt`.
    """

    def __init__(self, config: LogMelConfigT | None = None) -> None:
        super().__init__(config)
        self.mean, self.variance = 0.0, 1.0

    @property
    def decoder(self) -> str:
        """See the base class."""
        return self.config.decoder

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `log_mel`: `([windows,] mel_bands, frames)` float16, dB."""
        config = self.config
        shape: tuple[int, ...] = (config.mel_bands, config.frames)
        if config.windows > 1:
            shape = (config.windows, *shape)
        return (FeatureSpec("log_mel", shape, "float16", "log-mel power spectrogram, dB"),)

    def extract(self, track: Track) -> Features | None:
        """Decode and transform one recording; see the base class."""
        if track.audio is None:
            return None
        import numpy as np

        from deephits_keras.audio.spectrogram import clip, log_mel, samples_of

        config = self.config
        waveforms = self.load_windows(
            track, config.sample_rate, samples_of(config), config.windows, config.crop
        )
        parts = [log_mel(clip(w, config), config).astype("float16") for w in waveforms]
        return {"log_mel": parts[0] if config.windows == 1 else np.stack(parts)}

    def fingerprint_config(self) -> dict[str, Any]:
        """The name of one window's feature store is that of versions without several windows."""
        values = super().fingerprint_config()
        if values["windows"] == 1:
            del values["windows"]
        return values

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the mean and variance of all values of the training split."""
        from deephits_keras.encoders.moments import Moments

        moments = Moments.from_batches(batch["log_mel"] for batch in batches)
        self.mean, self.variance = float(moments.mean[0]), float(moments.variance[0])

    def augmented(self, log_mel: Any) -> Any:
        """The input of `build`, varied in training by the settings; by default unchanged.

        Args:
            log_mel: `(batch, [windows,] mel_bands, frames)`.
        """
        config = self.config
        if config.mixup:
            from deephits_keras.audio.augmentation import Mixup

            log_mel = Mixup(config.mixup, name="mixup")(log_mel)
        if config.masks and (config.mask_bands or config.mask_frames):
            from deephits_keras.audio.augmentation import SpecAugment

            log_mel = SpecAugment(
                config.mask_bands, config.mask_frames, config.masks, self.mean, name="masks"
            )(log_mel)
        return log_mel

    def picture(self, features: Features) -> Picture | None:
        """The spectrogram; several windows one after the other."""
        from deephits_keras.audio.picture import mel_caption, spectrogram_picture

        config = self.config
        seconds = config.frames * config.hop_length / config.sample_rate
        caption = mel_caption(seconds, config.sample_rate, config.windows)
        return spectrogram_picture(features["log_mel"], caption)

    def browser_half(self) -> BrowserHalf:
        """The same spectrogram in JavaScript; the browser decodes the recording."""
        if type(self).extract is not LogMelEncoder.extract:
            return super().browser_half()
        size, config = self.config.n_fft, self.get_config()
        if size & (size - 1):
            raise UserError(f"the page needs an n_fft that is a power of two, not {size}")
        folder = Path(__file__).parent
        return BrowserHalf(
            (folder / "log_mel.js", folder / "recording.js"),
            {name: config[name] for name in IN_BROWSER},
        )

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """The whole spectrogram, with a constant one at the training mean as its baseline."""
        from deephits_keras.encoders.explainable import ExplainableFeatures

        del track
        values, baseline, reference = against_mean_level(features, branch)
        return ExplainableFeatures(values, branch, baseline, reference)


def against_mean_level(features: Features, branch: keras.Model) -> tuple[Features, Features, str]:
    """A spectrogram in float32, a constant one at the training mean, and that baseline's name.

    Args:
        features: Features that a `LogMelEncoder` extracted.
        branch: The encoder's branch, whose layer `z_score` knows the mean.
    """
    import numpy as np
    from keras import ops

    decibels = features["log_mel"].astype(np.float32)
    level = float(np.ravel(ops.convert_to_numpy(branch.get_layer("z_score").mean))[0])
    reference = f"a constant spectrogram at the training mean, {level:.1f} dB"
    return {"log_mel": decibels}, {"log_mel": np.full_like(decibels, level)}, reference
