"""What a predictor needs of a model, whether that is a run's or an exported one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from deephits_keras.encoders.registry import AnyEncoder
    from deephits_keras.evaluation.calibration import Calibration
    from deephits_keras.runs.config import RunConfig
    from deephits_keras.tasks import Task

Score = Callable[[Mapping[str, "np.ndarray[Any, Any]"]], "np.ndarray[Any, Any]"]
"""From the model's inputs `(batch, *shape)` by name to its outputs `(batch, outputs)`."""


class Scorer(Protocol):
    """A trained model with what surrounds it: `Run`, or `Bundle`.

    Attributes:
        folder: Where it lies.
        config: How it was made.
    """

    folder: Path
    config: RunConfig

    @property
    def task(self) -> Task:
        """What it predicts."""

    @property
    def encoders(self) -> dict[str, AnyEncoder]:
        """Its encoders, by modality."""

    @property
    def calibration(self) -> Calibration:
        """Its sets; any temperature is in the scores already."""

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on a synthetic corpus."""

    @property
    def scorer(self) -> Score:
        """The model itself, loaded.

        Raises:
            UserError: if it can't be.
        """
