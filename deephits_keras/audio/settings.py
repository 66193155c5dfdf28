"""Settings of a log-mel spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.encoders.contract import EncoderConfig, setting

LARGEST = {
    "sample_rate": 768_000,
    "n_fft": 2**16,
    "hop_length": 2**16,
    "mel_bands": 2**12,
    "frames": 2**17,
    "windows": 2**8,
}
"""Upper bounds of the settings: larger values would exhaust memory."""

MOST_MASKS, HIGHEST_ALPHA = 100, 10


@dataclass(frozen=True)
class LogMelConfig(EncoderConfig):
    """Settings of a log-mel spectrogram; the defaults are the paper's (Section 2.1, Table 2).

    Raises:
        ValueError: for a size that isn't positive.
    """

    sample_rate: int = setting(22050, "sample rate in Hz", changes_features=True)
    n_fft: int = setting(1024, "window length in samples", changes_features=True)
    hop_length: int = setting(512, "hop length in samples", changes_features=True)
    mel_bands: int = setting(
        128, "number of mel bands, from 0 Hz to half the sample rate", changes_features=True
    )
    frames: int = setting(
        1292, "number of frames; 1292 are 30 s at the other defaults", changes_features=True
    )
    crop: str = setting(
        "center",
        "part of a longer recording that is used: its center or its start",
        changes_features=True,
        choices=("center", "start"),
    )
    windows: int = setting(
        1,
        "number of windows of that length, spread evenly over the recording",
        changes_features=True,
    )
    pooling: str = setting(
        "average",
        "how the embeddings of several windows are pooled",
        choices=("average", "attention"),
    )
    mask_bands: int = setting(
        0, "widest mask over mel bands in training, in bands (SpecAugment); 0: none"
    )
    mask_frames: int = setting(
        0, "widest mask over time in training, in frames (SpecAugment); 0: none"
    )
    masks: int = setting(2, "number of masks of each kind")
    mixup: float = setting(
        0.0, "alpha of mixup with another track's spectrogram in training, to 10; 0: none"
    )
    decoder: str = setting(
        "soundfile",
        "decoder of recordings",
        changes_features=True,
        choices=("soundfile", "tensorflow-io"),
    )

    def __post_init__(self) -> None:
        for name, highest in LARGEST.items():
            if not 1 <= getattr(self, name) <= highest:
                raise ValueError(
                    f"{name} must be from 1 to {highest}. Received: {getattr(self, name)}"
                )
        for name, highest in (
            ("mask_bands", self.mel_bands),
            ("mask_frames", self.frames),
            ("masks", MOST_MASKS),
            ("mixup", HIGHEST_ALPHA),
        ):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(
                    f"{name} must be from 0 to {highest}. Received: {getattr(self, name)}"
                )
