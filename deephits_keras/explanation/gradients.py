"""Gradients on every backend, for which Keras has no common API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from deephits_keras.encoders.features import Features
from deephits_keras.types import Tensor

Function = Callable[[Mapping[str, Tensor]], Tensor]
"""Maps named tensors `(batch, *shape)` to `(batch,)` scores, row by row."""

Evaluate = Callable[[Features], tuple[np.ndarray[Any, Any], Features]]
"""Maps inputs to values and gradients, as `values_and_gradients` of a function does."""


def values_and_gradients(
    function: Function, inputs: Features
) -> tuple[np.ndarray[Any, Any], Features]:
    """Evaluate a function of a batch, and its gradient with respect to each input.

    Args:
        function: A function of `keras.ops` and Keras layers.
        inputs: float32 `(batch, *shape)` by name.

    Returns:
        `(batch,)` values, and for each input the gradient of each row's value; zeros if the value
        doesn't depend on the input.

    Raises:
        NotImplementedError: on a backend without gradients (NumPy, OpenVINO).
    """
    return _to_numpy(*_of_backend(function)(inputs))


def compiled_gradients(function: Function) -> Evaluate:
    """`values_and_gradients` of a function for many batches of one shape.

    TensorFlow traces it at the first batch, which takes as long as some ten batches, and is several
    times as fast for the others.

    Args:
        function: See `values_and_gradients`.

    Raises:
        NotImplementedError: see `values_and_gradients`.
    """
    compute: Any = _of_backend(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        compute = tf.function(compute, autograph=False)
    return lambda inputs: _to_numpy(*compute(inputs))


def _of_backend(function: Function) -> Callable[[Features], tuple[Tensor, dict[str, Tensor]]]:
    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise NotImplementedError(f"Keras' {backend} backend has no gradients")
    return partial(_BACKENDS[backend], function)


def _to_numpy(
    values: Tensor, gradients: Mapping[str, Tensor]
) -> tuple[np.ndarray[Any, Any], Features]:
    return ops.convert_to_numpy(values), {
        name: ops.convert_to_numpy(gradient) for name, gradient in gradients.items()
    }


def _tensorflow(function: Function, inputs: Features) -> tuple[Tensor, dict[str, Tensor]]:
    import tensorflow as tf

    tensors = {name: tf.convert_to_tensor(array) for name, array in inputs.items()}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        values = function(tensors)
    return values, tape.gradient(values, tensors, unconnected_gradients="zero")


def _jax(function: Function, inputs: Features) -> tuple[Tensor, dict[str, Tensor]]:
    import jax

    def total(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        values = function(tensors)
        return values.sum(), values

    tensors = {name: ops.convert_to_tensor(array) for name, array in inputs.items()}
    (_, values), gradients = jax.value_and_grad(total, has_aux=True)(tensors)
    return values, gradients


def _torch(function: Function, inputs: Features) -> tuple[Tensor, dict[str, Tensor]]:
    import torch

    tensors = {n: ops.convert_to_tensor(a).requires_grad_() for n, a in inputs.items()}
    values = function(tensors)
    gradients = torch.autograd.grad(
        values.sum(), list(tensors.values()), allow_unused=True, materialize_grads=True
    )
    return values.detach(), dict(zip(tensors, gradients, strict=True))


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
