"""The interface that a predictor needs of a run or an exported bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from deephits_keras.encoders.features import PRESENT, Features, input_dtype, input_name

if TYPE_CHECKING:
    from deephits_keras.encoders.registry import AnyEncoder
    from deephits_keras.evaluation.calibration import Calibration
    from deephits_keras.runs.config import RunConfig
    from deephits_keras.tasks import Task

Score = Callable[[Mapping[str, "np.ndarray[Any, Any]"]], "np.ndarray[Any, Any]"]
"""A function from the model's inputs `(batch, *shape)` by name to outputs `(batch, outputs)`."""


class Scorer(Protocol):
    """A trained model with its configuration: `Run`, or `Bundle`.

    Attributes:
        folder: Its folder.
        config: Its configuration.
    """

    folder: Path
    config: RunConfig

    @property
    def task(self) -> Task:
        """Its task."""

    @property
    def encoders(self) -> dict[str, AnyEncoder]:
        """Its encoders, by modality."""

    @property
    def calibration(self) -> Calibration:
        """Its prediction sets; the temperature is already applied to the scores."""

    @property
    def unseen_columns(self) -> Mapping[str, tuple[str, ...]]:
        """Fields without a value in any training track, by modality."""

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on a synthetic corpus."""

    @property
    def scorer(self) -> Score:
        """The loaded model.

        Raises:
            UserError: if it can't be loaded.
        """


def model_inputs(
    encoder: AnyEncoder, features: Sequence[Features | None]
) -> dict[str, np.ndarray[Any, Any]]:
    """A modality's inputs of the model: zeros and the mask 0 for tracks without it.

    Args:
        encoder: The modality's encoder.
        features: Each track's features, or None.
    """
    modality = encoder.modality
    present = np.array([[each is not None] for each in features], dtype=np.float32)
    inputs = {input_name(modality, PRESENT): present}
    for spec in encoder.feature_specs:
        empty = np.zeros(spec.shape, spec.dtype)
        values = [empty if each is None else each[spec.name] for each in features]
        inputs[input_name(modality, spec.name)] = np.stack(values).astype(input_dtype(spec))
    return inputs
