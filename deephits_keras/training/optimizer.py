"""Adam and OneCycle with PyTorch's semantics, which the paper's hyper-parameters assume.

Keras' Adam differs in three ways that matter here: its epsilon is scaled by the bias correction,
its `weight_decay` is decoupled (AdamW's), and its first-moment rate can't follow a schedule.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import ops

from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """`torch.optim.lr_scheduler.OneCycleLR` with two phases: up to a peak, then down (or inverse).

    Args:
        initial: Value before the first step.
        peak: Value at the end of the warm-up.
        final: Value at the last step.
        steps: Total number of optimizer steps.
        warmup: Fraction of the steps in the first phase.
        anneal: `linear` (the paper: "linearly increases") or `cos` (PyTorch's default).
    """

    def __init__(
        self,
        initial: float,
        peak: float,
        final: float,
        steps: int,
        warmup: float = 0.3,
        anneal: str = "linear",
    ) -> None:
        super().__init__()
        self.initial, self.peak, self.final = initial, peak, final
        self.steps, self.warmup, self.anneal = steps, warmup, anneal
        self._held: Tensor | None = None

    @contextlib.contextmanager
    def held(self, step: Tensor) -> Iterator[None]:
        """Within the block every call gives the value at this step, computed once."""
        self._held = self(step)
        try:
            yield
        finally:
            self._held = None

    def __call__(self, step: Tensor) -> Tensor:
        """The value at a step, counted from 0."""
        if self._held is not None:
            return self._held
        step = ops.cast(step, "float32")
        turn = max(self.warmup * self.steps - 1, 0.0)
        rising = self._between(self.initial, self.peak, step / max(turn, 1e-9))
        rest = max(self.steps - 1 - turn, 1e-9)
        falling = self._between(self.peak, self.final, (step - turn) / rest)
        return ops.where(step <= turn, rising, falling)

    def _between(self, start: float, end: float, share: Tensor) -> Tensor:
        share = ops.clip(share, 0.0, 1.0)
        if self.anneal == "cos":
            return end + (start - end) / 2 * (1 + ops.cos(math.pi * share))
        return start + (end - start) * share

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("initial", "peak", "final", "steps", "warmup", "anneal")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("deephits")
class AdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """Keras' AdamW, which computes its schedule once per step, not once per variable."""

    def apply(self, grads: Sequence[Tensor], trainable_variables: Any = None) -> None:
        """Update the variables by their gradients."""
        schedule = self._learning_rate
        scheduled = isinstance(schedule, OneCycle)
        with schedule.held(self.iterations) if scheduled else contextlib.nullcontext():
            super().apply(grads, trainable_variables)


@dataclass(frozen=True)
class _Step:
    """What `TorchAdam` needs at a step for every variable, as float32 scalars."""

    beta_1: Tensor
    beta_2: Tensor
    new_1: Tensor
    new_2: Tensor
    size: Tensor
    correction: Tensor


@keras.saving.register_keras_serializable("deephits")
class TorchAdam(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Adam with the update rule of `torch.optim.Adam`.

    Args:
        learning_rate: A number or a schedule.
        beta_1: Decay of the first moment: a number or a schedule (OneCycle's momentum).
        beta_2: Decay of the second moment.
        epsilon: Added to the bias-corrected root of the second moment.
        l2: Coupled L2: this times the parameter is added to its gradient, for every trainable
            parameter, biases and batch-norm's included (PyTorch's `weight_decay`).
    """

    def __init__(
        self,
        learning_rate: float | OneCycle = 0.001,
        beta_1: float | OneCycle = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        l2: float = 0.0,
        name: str = "torch_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if isinstance(beta_1, dict):
            beta_1 = keras.saving.deserialize_keras_object(beta_1)
        self.beta_1, self.beta_2, self.epsilon, self.l2 = beta_1, beta_2, epsilon, l2
        self._step: _Step | None = None

    def build(self, variables: list[Any]) -> None:
        """Create both moments of each variable."""
        if self.built:
            return
        super().build(variables)
        self._first = [self.add_variable_from_reference(v, name="first") for v in variables]
        self._second = [self.add_variable_from_reference(v, name="second") for v in variables]

    def apply(self, grads: Sequence[Tensor], trainable_variables: Any = None) -> None:
        """Update the variables by their gradients."""
        self._step = self._at(self.learning_rate)
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._step = None

    def _at(self, learning_rate: Tensor) -> _Step:
        beta_1 = self.beta_1(self.iterations) if callable(self.beta_1) else self.beta_1
        beta_1, beta_2 = ops.cast(beta_1, "float32"), ops.cast(self.beta_2, "float32")
        step = ops.cast(self.iterations + 1, "float32")
        return _Step(
            beta_1=beta_1,
            beta_2=beta_2,
            new_1=1 - beta_1,
            new_2=1 - beta_2,
            size=ops.cast(learning_rate, "float32") / (1 - ops.power(beta_1, step)),
            correction=ops.sqrt(1 - ops.power(beta_2, step)),
        )

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Update one variable."""
        at = self._step or self._at(learning_rate)
        dtype = variable.dtype
        index = self._get_variable_index(variable)
        gradient = ops.cast(gradient, dtype) + self.l2 * variable

        first = ops.cast(at.beta_1, dtype) * self._first[index]
        first = first + ops.cast(at.new_1, dtype) * gradient
        second = ops.cast(at.beta_2, dtype) * self._second[index]
        second = second + ops.cast(at.new_2, dtype) * ops.square(gradient)
        self.assign(self._first[index], first)
        self.assign(self._second[index], second)
        root = ops.sqrt(second) / ops.cast(at.correction, dtype)
        self.assign_sub(variable, ops.cast(at.size, dtype) * first / (root + self.epsilon))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        beta_1 = self.beta_1
        if isinstance(beta_1, OneCycle):
            beta_1 = keras.saving.serialize_keras_object(beta_1)
        return {
            **super().get_config(),
            "beta_1": beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "l2": self.l2,
        }


def make_optimizer(training: TrainingConfig, *, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of the settings, with their schedule.

    Args:
        training: The settings; the defaults are the paper's: Adam with coupled L2 on a OneCycle.
        steps: Total number of steps.
    """
    optimizer = _optimizer(training, steps)
    if training.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _optimizer(training: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    rate: float | OneCycle = training.max_learning_rate
    beta_1: float | OneCycle = 0.9
    if training.schedule == "onecycle":
        start = rate / training.div_factor
        cycle = partial(OneCycle, steps=steps, warmup=training.warmup, anneal=training.anneal)
        rate = cycle(start, rate, start / training.final_div_factor)
        beta_1 = cycle(0.95, 0.85, 0.95) if training.cycle_momentum else 0.9
    match training.optimizer:
        case "adam":
            return TorchAdam(learning_rate=rate, beta_1=beta_1, l2=training.l2)
        case "adamw":
            return AdamW(learning_rate=rate, weight_decay=training.l2)
        case "adadelta":
            return keras.optimizers.Adadelta(learning_rate=rate)
        case "adagrad":
            return keras.optimizers.Adagrad(learning_rate=rate)
    return keras.optimizers.SGD(learning_rate=rate, momentum=0.9)


def plateau_rate(training: TrainingConfig, history: Sequence[Mapping[str, Any]]) -> float:
    """The learning rate of the next epoch with the schedule `plateau`.

    Args:
        training: The settings.
        history: Metrics of the finished epochs.
    """
    losses = [metrics["validation_loss"] for metrics in history]
    worse = sum(loss >= min(losses[:epoch]) for epoch, loss in enumerate(losses) if epoch)
    return float(training.max_learning_rate * training.plateau_factor**worse)
