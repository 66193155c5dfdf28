"""HitMusicNet's fusion: an autoencoder's code of all inputs, and a narrowing network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from deephits_keras.model.fusion_base import Fusion, concatenate
from deephits_keras.types import Tensor

SMALLEST_CODE = 3


@dataclass(frozen=True)
class CompressedFusion(Fusion):
    """An autoencoder's bottleneck, then layers of n, n / 2 and n / 3 units.

    After HitMusicNet (Martin-Gutierrez et al. 2020; models/dnn_models.py and model_selection.py of
    dmgutierrez/hitmusicnet): inputs of size m through m / 2 and m / 3 units to a code of m / share
    and back, all ReLU except the last sigmoid, so inputs should be from 0 to 1. They train the
    autoencoder first, on all tracks; here reconstruction is an auxiliary loss in training.

    Attributes:
        dropout: Dropout rate after the first and the second layer.
        units: Sizes of the layers after the code; empty for n, n / 2, n / 3.
        share: Compression factor of the code: 4 (small), 5 or 7 (high compression).
        reconstruction: Weight of the auxiliary loss; 0 for a plain bottleneck.
    """

    name: ClassVar[str] = "compressed"
    dropout: float = 0.25
    units: tuple[int, ...] = ()
    share: float = 5.0
    reconstruction: float = 1.0

    def build(
        self,
        embeddings: Mapping[str, Tensor],
        presence: Mapping[str, Tensor],
        outputs: int,
        classification: bool,
    ) -> Tensor:
        """Concatenate, compress, and apply the layers to the code."""
        from deephits_keras.model.heads import output_layer

        del presence
        fused = concatenate(list(embeddings.values()), axis=-1, name="fused")
        code = autoencoded(fused, self.share, self.reconstruction)
        widths = self.units or widths_of(int(code.shape[-1]))
        x = narrowing(code, widths, self.dropout)
        return output_layer(self.head, outputs, classification, "output")(x)


def autoencoded(x: Tensor, share: float, reconstruction: float, prefix: str = "") -> Tensor:
    """HitMusicNet's autoencoder.

    Args:
        x: `(batch, size)`.
        share: Compression factor of the code.
        reconstruction: Weight of the auxiliary loss; 0 for a plain bottleneck.
        prefix: Beginning of the layers' names.

    Returns:
        The code, `(batch, size / share)`.
    """
    from keras import layers

    from deephits_keras.model.layers import Reconstruction

    original, size = x, int(x.shape[-1])
    code_size = max(SMALLEST_CODE, int(size / share))
    steps = (max(code_size, size // 2), max(code_size, size // 3))
    for number, units in enumerate(steps, start=1):
        x = layers.Dense(units, activation="relu", name=f"{prefix}encode_{number}")(x)
    code = layers.Dense(code_size, activation="relu", name=f"{prefix}code")(x)
    if reconstruction <= 0:
        return code
    x = code
    for number, units in enumerate(reversed(steps), start=1):
        x = layers.Dense(units, activation="relu", name=f"{prefix}decode_{number}")(x)
    made = layers.Dense(size, activation="sigmoid", name=f"{prefix}decoded")(x)
    return Reconstruction(reconstruction, name=f"{prefix}reconstruction")(code, original, made)


def narrowing(x: Tensor, widths: Sequence[int], dropout: float) -> Tensor:
    """Fully connected layers with ReLU, and dropout after each but the last."""
    from keras import layers

    for number, units in enumerate(widths, start=1):
        x = layers.Dense(units, activation="relu", name=f"fusion_{number}")(x)
        if number < len(widths):
            x = layers.Dropout(dropout, name=f"fusion_{number}_dropout")(x)
    return x


def widths_of(code: int) -> tuple[int, ...]:
    """HitMusicNet's rule for the layers after a code of that size."""
    return (code, round(code / 2), round(code / 3))
