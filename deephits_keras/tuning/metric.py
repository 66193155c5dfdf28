"""The validation metric that a search optimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.tasks import Task

LOSS = "loss"
MINIMISED = (LOSS, "mae", "mse")
OF_TIERS = (LOSS, "macro_f1", "macro_f1_present", "accuracy")
OF_REGRESSION = (LOSS, "r2", "mae", "mse", *OF_TIERS[1:])
METRICS = tuple(dict.fromkeys((*OF_TIERS, *OF_REGRESSION)))
"""Metrics of the validation part that a training's history has, by task."""


@dataclass(frozen=True)
class Metric:
    """A metric of the validation part.

    Attributes:
        name: One of `METRICS`.
    """

    name: str = LOSS

    @property
    def column(self) -> str:
        """Its column in a run's history."""
        return f"validation_{self.name}"

    @property
    def maximise(self) -> bool:
        """Whether higher is better."""
        return self.name not in MINIMISED

    def check(self, task: Task) -> None:
        """Check that a task has it.

        Raises:
            UserError: if it hasn't; the message lists those that it has.
        """
        known = OF_TIERS if task.kind == "classification" else OF_REGRESSION
        if self.name not in known:
            raise UserError(
                f"The task {task.name} has no validation metric {self.name!r}. "
                f"Metrics: {', '.join(known)}"
            )
