"""HitMusicNet's way: an autoencoder's code of all inputs, and a network that narrows by a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import layers, ops

from deephits_keras.model.fusion_base import Fusion, concatenate
from deephits_keras.model.heads import output_layer
from deephits_keras.types import Tensor

SMALLEST_CODE = 3


@keras.saving.register_keras_serializable("deephits")
class Reconstruction(layers.Layer):  # type: ignore[misc]
    """Gives a code on, and adds to the loss how far the original is from what was made of it.

    Called on a code, the original and its reconstruction.

    Args:
        weight: Of the mean squared error in the loss.
    """

    def __init__(self, weight: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, code: Tensor, original: Tensor, made: Tensor) -> Tensor:
        """The code as it is."""
        # Not what the decoder is asked for: the original must not move towards its image.
        distance = ops.square(ops.stop_gradient(original) - made)
        self.add_loss(self.weight * ops.mean(distance))
        return code

    def compute_output_shape(self, shape: tuple[int | None, ...], *_: Any) -> Any:
        """The code's shape."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "weight": self.weight}


@dataclass(frozen=True)
class CompressedFusion(Fusion):
    """A bottleneck that can make its inputs again, then layers of n, n / 2 and n / 3 units.

    After HitMusicNet (Martin-Gutierrez et al. 2020; models/dnn_models.py and model_selection.py of
    dmgutierrez/hitmusicnet): inputs of size m through m / 2 and m / 3 units to a code of m / share
    and back, all ReLU but for the last sigmoid, so inputs from 0 to 1 are meant. Theirs is trained
    first, on every track; here reconstruction is an auxiliary loss on the training part.

    Attributes:
        dropout: After the first and the second layer.
        units: Sizes of the layers on the code; empty for the rule: n, n / 2, n / 3.
        share: The code has 1 / share of the inputs' size: 4 (small), 5 or 7 (high compression).
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
        """Concatenate, compress, and go on from the code."""
        del presence
        fused = concatenate(list(embeddings.values()), axis=-1, name="fused")
        size = int(fused.shape[-1])
        code_size = max(SMALLEST_CODE, int(size / self.share))
        steps = (max(code_size, size // 2), max(code_size, size // 3))
        x = fused
        for number, units in enumerate(steps, start=1):
            x = layers.Dense(units, activation="relu", name=f"encode_{number}")(x)
        code = layers.Dense(code_size, activation="relu", name="code")(x)
        if self.reconstruction > 0:
            x = code
            for number, units in enumerate(reversed(steps), start=1):
                x = layers.Dense(units, activation="relu", name=f"decode_{number}")(x)
            made = layers.Dense(size, activation="sigmoid", name="decoded")(x)
            code = Reconstruction(self.reconstruction, name="reconstruction")(code, fused, made)
        x = code
        widths = self.units or widths_of(code_size)
        for number, units in enumerate(widths, start=1):
            x = layers.Dense(units, activation="relu", name=f"fusion_{number}")(x)
            if number < len(widths):
                x = layers.Dropout(self.dropout, name=f"fusion_{number}_dropout")(x)
        return output_layer(self.head, outputs, classification, "output")(x)


def widths_of(code: int) -> tuple[int, ...]:
    """HitMusicNet's rule for the layers on a code of that size."""
    return (code, round(code / 2), round(code / 3))
