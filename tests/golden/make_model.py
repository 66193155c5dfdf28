"""Makes `model.npz`: what a PyTorch twin of the default model (Table A1) computes and learns.

Run where PyTorch is: `pip install torch==2.13.0 numpy; python tests/golden/make_model.py`.

The twin runs in float64, which stands for the exact values, and in float32, whose distance from
them says what accuracy float32 has here. Weights and inputs are drawn by `weights` and `inputs`,
which the test calls as well; what a test needn't know of PyTorch is imported inside `main`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

BANDS, FRAMES, HIDDEN, TRACKS = 128, 64, 768, 6
OUTPUTS = {"regression": 1, "tiers-3": 3, "tiers-5": 5, "tiers-10": 10}
STEPS, TRAINED_TASK = 3, "tiers-3"
EXPLAINED = ("mel_log_mel", "lyrics_cls")
"""Inputs whose gradients are kept."""

MOST_KEPT = 200
"""Entries kept of each parameter and gradient."""

CONVOLUTIONS = {"stem": (5, 1, 8)} | {
    f"block{k}_{name}": shape
    for k, (before, after) in enumerate(((8, 16), (16, 32), (32, 64)), start=1)
    for name, shape in {
        "conv1": (3, before, after),
        "conv2": (3, after, after),
        "shortcut": (1, before, after),
    }.items()
}
NORMS = {"stem_norm": 8} | {
    f"block{k}_{name}": size
    for k, size in enumerate((16, 32, 64), start=1)
    for name in ("norm1", "norm2", "shortcut_norm")
}
DENSE = {
    "mel/hidden": (64, 128),
    "mel/embedding": (128, 64),
    "lyrics/lyrics_dense_1": (HIDDEN, 256),
    "lyrics/lyrics_dense_2": (256, 256),
    "meta/fields_hidden": (26, 64),
    "meta/fields_embedding": (64, 64),
    "fusion_1": (384, 256),
    "fusion_2": (256, 64),
}
COLUMN_MEAN = np.array([*[50.0] * 10, 0, 0, 60, 2005])
COLUMN_DEVIATION = np.array([*[20.0] * 10, 1, 1, 15, 12])
LEVEL, VARIANCE = -30.0, 144.0


def weights(task: str) -> dict[str, np.ndarray]:
    """Every weight of the model in Keras' layouts, float32, by `[branch/]layer/weight`."""
    rng = np.random.default_rng(7)
    drawn: dict[str, np.ndarray] = {}
    for name, (size, before, after) in CONVOLUTIONS.items():
        scale = np.sqrt(2 / (size * size * before))
        drawn[f"mel/{name}/kernel"] = rng.normal(size=(size, size, before, after)) * scale
    drawn["mel/stem/bias"] = rng.normal(size=8) * 0.1
    for name, size in NORMS.items():
        drawn[f"mel/{name}/gamma"] = rng.uniform(0.8, 1.2, size)
        drawn[f"mel/{name}/beta"] = rng.normal(size=size) * 0.1
        drawn[f"mel/{name}/moving_mean"] = rng.normal(size=size) * 0.1
        drawn[f"mel/{name}/moving_variance"] = rng.uniform(0.5, 1.5, size)
    for name, (before, after) in {**DENSE, "output": (64, OUTPUTS[task])}.items():
        drawn[f"{name}/kernel"] = rng.normal(size=(before, after)) * np.sqrt(2 / before)
        drawn[f"{name}/bias"] = rng.normal(size=after) * 0.1
    return {name: array.astype("float32") for name, array in drawn.items()}


def inputs() -> dict[str, np.ndarray]:
    """Inputs of the model for `TRACKS` tracks, and targets as `tiers`; NaN is an unknown number."""
    rng = np.random.default_rng(8)
    fields = rng.normal(size=(TRACKS, 14)) * COLUMN_DEVIATION + COLUMN_MEAN
    fields[:, 10] = rng.integers(0, 2, TRACKS)
    fields[:, 11] = rng.integers(-1, 12, TRACKS)
    fields[0, 8] = fields[1, 11] = np.nan
    return {
        "mel_log_mel": rng.normal(LEVEL, 12, (TRACKS, BANDS, FRAMES)).astype("float32"),
        "lyrics_cls": np.tanh(rng.normal(size=(TRACKS, HIDDEN))).astype("float32"),
        "meta_fields": fields.astype("float32"),
        "tiers": np.array([0, 1, 2, 1, 0, 1], "int32"),
    }


def kept(name: str, size: int) -> np.ndarray:
    """Which entries of a parameter are kept: all, or `MOST_KEPT` drawn ones."""
    rng = np.random.default_rng([size, len(name)])
    return np.arange(size) if size <= MOST_KEPT else np.sort(rng.permutation(size)[:MOST_KEPT])


def main() -> None:
    """Write the file."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def tensors():
        return {name: torch.tensor(array) for name, array in inputs().items()}

    def twin(task: str, dtype: torch.dtype) -> tuple[nn.ParameterDict, dict[str, torch.Tensor]]:
        """Parameters in PyTorch's layouts, and the batch norms' running statistics."""
        drawn = weights(task)
        statistics = {n: a for n, a in drawn.items() if "/moving_" in n}
        trained = {n: to_torch(a) for n, a in drawn.items() if n not in statistics}
        return (
            nn.ParameterDict({n: nn.Parameter(torch.tensor(a, dtype=dtype))
                              for n, a in trained.items()}),
            {n: torch.tensor(a, dtype=dtype) for n, a in statistics.items()},
        )  # fmt: skip

    def forward(p, statistics, batch, dtype, training):
        def convolve(x, name, stride):
            kernel = p[f"mel/{name}/kernel"]
            bias = p["mel/stem/bias"] if name == "stem" else None
            return F.conv2d(x, kernel, bias, stride=stride, padding=kernel.shape[-1] // 2)

        def norm(x, name):
            full = f"mel/{name}"
            return F.batch_norm(
                x, statistics[f"{full}/moving_mean"], statistics[f"{full}/moving_variance"],
                p[f"{full}/gamma"], p[f"{full}/beta"], training=training, momentum=0.1, eps=1e-5,
            )  # fmt: skip

        def linear(x, name):
            return F.linear(x, p[f"{name}/kernel"], p[f"{name}/bias"])

        x = ((batch["mel_log_mel"] - LEVEL) / VARIANCE**0.5).to(dtype)[:, None]
        x = F.relu(norm(convolve(x, "stem", 2), "stem_norm"))
        for k in (1, 2, 3):
            inner = F.relu(norm(convolve(x, f"block{k}_conv1", 2), f"block{k}_norm1"))
            inner = norm(convolve(inner, f"block{k}_conv2", 1), f"block{k}_norm2")
            # Strided by hand: as one layer it corrupts memory in oneDNN on CPUs with AVX-512.
            shortcut = convolve(x[:, :, ::2, ::2], f"block{k}_shortcut", 1)
            x = F.relu(inner + norm(shortcut, f"block{k}_shortcut_norm"))
        mel = F.adaptive_avg_pool2d(x, 1).flatten(1)
        mel = F.relu(linear(F.relu(linear(mel, "mel/hidden")), "mel/embedding"))

        words = batch["lyrics_cls"].to(dtype)
        for layer in ("lyrics_dense_1", "lyrics_dense_2"):
            words = F.relu(linear(words, f"lyrics/{layer}"))

        fields = batch["meta_fields"].numpy().astype("float64")
        scaled = np.nan_to_num((fields - COLUMN_MEAN) / COLUMN_DEVIATION)
        key = np.where(np.isnan(fields[:, 11]) | (fields[:, 11] < 0), 12, fields[:, 11])
        indicators = np.eye(13)[key.astype(int)]
        vector = np.concatenate([scaled[:, :11], indicators, scaled[:, 12:]], axis=1)
        meta = torch.tensor(vector, dtype=dtype)
        meta = F.relu(linear(F.relu(linear(meta, "meta/fields_hidden")), "meta/fields_embedding"))

        fused = torch.cat([mel, words, meta], dim=1)
        fused = F.relu(linear(F.relu(linear(fused, "fusion_1")), "fusion_2"))
        return linear(fused, "output")

    def gradients(dtype):
        batch = tensors()
        leaves = [batch[name].requires_grad_() for name in EXPLAINED]
        outputs = forward(*twin(TRAINED_TASK, dtype), batch, dtype, training=False)
        found = torch.autograd.grad(outputs[:, 0].sum(), leaves)
        return {n: g.numpy() for n, g in zip(EXPLAINED, found, strict=True)}

    def train(dtype):
        p, statistics = twin(TRAINED_TASK, dtype)
        optimizer = torch.optim.Adam(p.values(), lr=0.004, weight_decay=0.001)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.1, total_steps=10 * STEPS, anneal_strategy="linear"
        )
        batch, losses = tensors(), []
        for _ in range(STEPS):
            optimizer.zero_grad()
            outputs = forward(p, statistics, batch, dtype, training=True)
            loss = F.cross_entropy(outputs, batch["tiers"].long())
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        after = {n: to_keras(t.detach().numpy()) for n, t in {**p, **statistics}.items()}
        return np.array(losses), after

    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray] = {}
    for task in OUTPUTS:
        exact, single = (
            forward(*twin(task, d), tensors(), d, training=False).detach().numpy()
            for d in (torch.float64, torch.float32)
        )
        arrays[f"{task}/outputs"] = exact
        arrays[f"{task}/outputs/float32_error"] = np.abs(single - exact).max()
    exact_gradients, single_gradients = gradients(torch.float64), gradients(torch.float32)
    for name, array in exact_gradients.items():
        arrays[f"gradients/{name}"] = array.ravel()[kept(name, array.size)]
        error = np.abs(single_gradients[name] - array).max()
        arrays[f"gradients/{name}/float32_error"] = error
    (losses, exact), (single_losses, single) = train(torch.float64), train(torch.float32)
    arrays["losses"] = losses
    arrays["losses/float32_error"] = np.abs(single_losses - losses).max()
    for name, array in exact.items():
        entries = kept(name, array.size)
        arrays[f"after/{name}"] = array.ravel()[entries]
        arrays[f"after/{name}/float32_error"] = np.abs(single[name] - array).max()
    savez: Any = np.savez_compressed
    savez(Path(__file__).with_name("model.npz"), **arrays)


def to_torch(array: np.ndarray) -> np.ndarray:
    """A kernel from Keras' layout to PyTorch's."""
    axes = {2: (1, 0), 4: (3, 2, 0, 1)}.get(array.ndim)
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


def to_keras(array: np.ndarray) -> np.ndarray:
    """A kernel from PyTorch's layout to Keras'."""
    axes = {2: (1, 0), 4: (2, 3, 1, 0)}.get(array.ndim)
    return array if axes is None else np.ascontiguousarray(array.transpose(axes))


if __name__ == "__main__":
    main()
