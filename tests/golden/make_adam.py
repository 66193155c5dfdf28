"""Makes `adam.npz`: what PyTorch's Adam and OneCycleLR do to a few parameters in forty steps.

Run where PyTorch is: `pip install torch==2.13.0 numpy; python tests/golden/make_adam.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

STEPS = 40


def trajectory(anneal: str, cycle_momentum: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    gradients = torch.tensor(rng.normal(size=(STEPS, 3, 2)).astype("float32"))
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 6).reshape(3, 2))
    optimizer = torch.optim.Adam([parameter], lr=0.01, weight_decay=0.001)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.1,
        total_steps=STEPS,
        anneal_strategy=anneal,
        cycle_momentum=cycle_momentum,
    )
    values, rates = [], []
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        rates.append((group["lr"], group["betas"][0]))
        parameter.grad = gradients[step].clone()
        optimizer.step()
        values.append(parameter.detach().numpy().copy())
        if step + 1 < STEPS:
            schedule.step()
    return np.array(values), np.array(rates)


def main() -> None:
    arrays = {}
    for anneal in ("linear", "cos"):
        for cycle in (True, False):
            values, rates = trajectory(anneal, cycle)
            arrays[f"{anneal}_{cycle}_values"] = values
            arrays[f"{anneal}_{cycle}_rates"] = rates
    savez: Any = np.savez_compressed
    savez(Path(__file__).with_name("adam.npz"), **arrays)


if __name__ == "__main__":
    main()
