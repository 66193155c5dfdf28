"""Adam and OneCycle against PyTorch's own (see `tests/golden/make_adam.py`)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.optimizer import OneCycle, TorchAdam
from deephits_keras.training.trainer import make_optimizer

STEPS = 40
GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "adam.npz")


def optimizer(anneal: str, cycle: bool) -> TorchAdam:
    return make_optimizer(TrainingConfig(anneal=anneal, cycle_momentum=cycle), steps=STEPS)


def gradients() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(STEPS, 3, 2)).astype("float32")


@pytest.mark.parametrize("cycle", [True, False])
@pytest.mark.parametrize("anneal", ["linear", "cos"])
def test_the_schedule_is_pytorchs(anneal: str, cycle: bool) -> None:
    adam = optimizer(anneal, cycle)
    rate, beta = adam._learning_rate, adam.beta_1
    ours = [
        (float(rate(step)), float(beta(step)) if isinstance(beta, OneCycle) else beta)
        for step in range(STEPS)
    ]
    # Computed in float32 from float64 constants: a few units in the last place of the peak, 0.1.
    np.testing.assert_allclose(ours, GOLDEN[f"{anneal}_{cycle}_rates"], rtol=1e-5, atol=5e-8)


@pytest.mark.parametrize("cycle", [True, False])
@pytest.mark.parametrize("anneal", ["linear", "cos"])
def test_every_step_is_pytorchs(anneal: str, cycle: bool) -> None:
    adam = optimizer(anneal, cycle)
    parameter = keras.Variable(np.linspace(-1, 1, 6, dtype="float32").reshape(3, 2))
    adam.build([parameter])
    values = []
    for gradient in gradients():
        adam.apply([ops.convert_to_tensor(gradient)], [parameter])
        values.append(ops.convert_to_numpy(parameter).copy())
    # Forty float32 steps of size up to 0.1: each adds about 1e-8 of rounding.
    np.testing.assert_allclose(values, GOLDEN[f"{anneal}_{cycle}_values"], rtol=0, atol=2e-6)


def test_every_step_of_adamw_is_keras_own() -> None:
    """To the bit: the schedule is computed once per step instead of once per weight."""
    ours = make_optimizer(TrainingConfig(optimizer="adamw", l2=0.1), steps=STEPS)
    theirs = keras.optimizers.AdamW(learning_rate=ours._learning_rate, weight_decay=0.1)
    values = []
    for adam in (ours, theirs):
        parameter = keras.Variable(np.linspace(-1, 1, 6, dtype="float32").reshape(3, 2))
        adam.build([parameter])
        for gradient in gradients():
            adam.apply([ops.convert_to_tensor(gradient)], [parameter])
            values.append(ops.convert_to_numpy(parameter).copy())
    np.testing.assert_array_equal(values[:STEPS], values[STEPS:])


def test_the_optimizer_round_trips_through_its_configuration() -> None:
    adam = optimizer("cos", True)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(adam))
    assert copy.get_config() == adam.get_config()
    assert isinstance(copy.beta_1, OneCycle)
