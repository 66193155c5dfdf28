"""Models without values, built from a configuration without allocating memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import keras

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.model.builder import build_model
from deephits_keras.model.fusion import Fusion
from deephits_keras.tasks import Task
from deephits_keras.utils.global_state import generators_kept

T = TypeVar("T")

LARGEST_MODEL = 2**30
"""Most parameters of a model; the paper's has 476,938."""

LARGEST_FEATURE = 2**28
"""Most values of one feature per track; the paper's spectrogram has 165,376."""


def symbolically(function: Callable[[], T]) -> T:
    """Call a function that builds a model, without allocating memory for its variables.

    It runs in its own thread, as Keras keeps a list of uninitialised variables per thread.
    """

    def inside() -> T:
        with keras.StatelessScope(initialize_variables=False):
            return function()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(inside).result()


@generators_kept()
def symbolic_model(
    encoders: Sequence[AnyEncoder],
    *,
    fusion: Fusion,
    task: Task,
    learned_missing: Sequence[str] = (),
) -> keras.Model:
    """The model that `build_model` makes, without values, so that its size takes no memory.

    Raises:
        UserError: if it can't be built or is too large.
    """
    for encoder in encoders:
        for spec in encoder.feature_specs:
            if math.prod(spec.shape) > LARGEST_FEATURE:
                raise UserError(
                    f"The settings of {encoder.name} ask for features of shape {spec.shape}: "
                    f"more than {LARGEST_FEATURE:,} values per track are too large"
                )
    try:
        model: keras.Model = symbolically(
            lambda: build_model(encoders, fusion=fusion, task=task, learned_missing=learned_missing)
        )
    except DeepHitsError:
        raise
    except Exception as error:
        raise UserError(
            f"The model of these settings can't be built: {type(error).__name__}: {error}"
        ) from error
    size = sum(math.prod(v.shape) for v in model.variables)
    if size > LARGEST_MODEL:
        raise UserError(f"The model is too large: {size:,} parameters. Check its settings")
    return model
