"""Settings of `musicnn`."""

from __future__ import annotations

from dataclasses import dataclass

from deephits_keras.encoders.contract import EncoderConfig, setting

MOST_WINDOWS = 2**8


@dataclass(frozen=True)
class MusicnnConfig(EncoderConfig):
    """Settings of `Musicnn`.

    Raises:
        ValueError: for a number out of range.
    """

    model: str = setting(
        "msd",
        "trained on 50 tags of the Million Song Dataset or of MagnaTagATune",
        changes_features=True,
        choices=("msd", "mtt"),
    )
    output: str = setting(
        "tags",
        "the scores of the 50 tags, or these and the 753 pooled features before them",
        changes_features=True,
        choices=("tags", "pooled"),
    )
    windows: int = setting(
        10, "number of windows of 3 s, spread evenly over the recording", changes_features=True
    )
    weights: str | None = setting(
        None,
        "folder of the weights; none: those of the installed package musicnn",
        changes_features=True,
        path=True,
    )
    frozen: bool = setting(
        True, "keep the published weights, and store what they hear", changes_features=True
    )
    units: int = setting(64, "size of the embedding; 0: the scaled output")

    def __post_init__(self) -> None:
        if self.units < 0 or not 1 <= self.windows <= MOST_WINDOWS:
            raise ValueError(
                f"units must not be negative and windows from 1 to {MOST_WINDOWS}. "
                f"Received: {self.units} and {self.windows}"
            )
