"""The losses of HitMusicLyricNet's autoencoder, as a layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor

ABSENT = -1e9
"""Logit of a track without the text."""


@keras.saving.register_keras_serializable("deephits")
class ContrastiveReconstruction(layers.Layer):  # type: ignore[misc]
    """Pass on a code, and add its reconstruction and contrast losses.

    Called on the codes of two noisy passes, the original, its reconstruction from the first code,
    and presence `(batch, 1)`; tracks without the text don't count.

    Args:
        weight: Weight of all losses.
        contrast: Weight of the contrastive one (InfoNCE, van den Oord et al. 2018) among them.
        temperature: Its temperature.
    """

    def __init__(self, weight: float, contrast: float, temperature: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight, self.contrast, self.temperature = weight, contrast, temperature

    def call(
        self, code: Tensor, other: Tensor, original: Tensor, made: Tensor, present: Tensor
    ) -> Tensor:
        """Return the first code unchanged."""
        # No gradient to the original: it must not move towards its reconstruction.
        original = ops.stop_gradient(original)
        there = present[:, 0]
        cosine = ops.sum(original * ops.normalize(made, axis=-1), axis=-1)
        error = ops.mean(ops.square(original - made), axis=-1)
        likeness = ops.matmul(
            ops.normalize(code, axis=-1), ops.transpose(ops.normalize(other, axis=-1))
        )
        logits = likeness / self.temperature + (1 - there)[None, :] * ABSENT
        own = ops.sum(logits * ops.eye(ops.shape(logits)[0], dtype=logits.dtype), axis=-1)
        nearest = ops.logsumexp(logits, axis=-1) - own
        each = there * (1 - cosine + error + self.contrast * nearest * there)
        total = ops.sum(ops.where(there > 0.5, each, ops.zeros_like(each)))
        self.add_loss(self.weight * total / ops.maximum(ops.sum(there), 1.0))
        return code

    def compute_output_shape(self, shape: tuple[int | None, ...], *_: Any) -> Any:
        """The code's shape."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {"weight": self.weight, "contrast": self.contrast, "temperature": self.temperature}
        return {**super().get_config(), **own}
