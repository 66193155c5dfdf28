"""Batch normalisation, the only layer that depends on the backend.

On a CPU it takes two fifths of a training step of the audio branch with `keras.ops`, and a tenth
with TensorFlow's fused kernel (docs/performance.md), for which Keras has no API.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer with PyTorch's defaults, trained through TensorFlow's fused kernel.

    It has the function, weights and moving averages of `keras.layers.BatchNormalization`, and uses
    that where the kernel isn't available: on JAX and PyTorch, at inference, with a mask, with
    synchronised statistics, for inputs other than four dimensions with channels last, in float64,
    or without scale and centre.

    Args:
        momentum: Momentum of the moving averages; Keras' 0.9 is PyTorch's 0.1.
        epsilon: Added to the variance.
        **options: See `keras.layers.BatchNormalization`.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **options: Any) -> None:
        super().__init__(momentum=momentum, epsilon=epsilon, **options)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise `(batch, height, width, channels)`, or other inputs of Keras' layer."""
        fusible = (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not (self.synchronized or self.renorm)
            and keras.backend.standardize_dtype(inputs.dtype) != "float64"
        )
        if not (training and self.trainable and mask is None and fusible):
            return super().call(inputs, training=training, mask=mask)
        return self._fused(inputs)

    def _fused(self, inputs: Tensor) -> Tensor:
        import tensorflow as tf

        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.convert_to_tensor(self.gamma),
            offset=ops.convert_to_tensor(self.beta),
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel divides the variance by n - 1, Keras by n.
        positions = ops.cast(ops.size(inputs) // inputs.shape[-1], "float32")
        variance = variance * (positions - 1) / positions
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return outputs
