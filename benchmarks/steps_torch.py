"""The same model and training step in PyTorch; prints examples per second. Needs only PyTorch.

    python benchmarks/steps_torch.py --batch 64 --steps 10 [--best] [--bfloat16]

`--best` is channels-last with `torch.compile`; it runs on a GPU if there is one. `--source` says
where spectrograms come from, as in `steps_keras.py`; a store is read by a `DataLoader`. PyTorch's
oneDNN, too, corrupts memory in the gradient of a strided 1 x 1 convolution on CPUs with AVX-512, so
the shortcut is strided by slicing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler


class Block(nn.Module):
    """A residual block of Table A1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, inputs, height, width)` to half of each."""
        inner = torch.relu(self.norm1(self.conv1(x)))
        inner = self.norm2(self.conv2(inner))
        return torch.relu(inner + self.norm(self.shortcut(x[:, :, ::2, ::2])))


class DeepHits(nn.Module):
    """Table A1, ten tiers."""

    def __init__(self) -> None:
        super().__init__()
        stem = (nn.Conv2d(1, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU())
        blocks = (Block(8, 16), Block(16, 32), Block(32, 64))
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        dense = (nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.mel = nn.Sequential(*stem, *blocks, *pool, *dense)
        self.lyrics = nn.Sequential(nn.Linear(768, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
        self.meta = nn.Sequential(nn.Linear(26, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        hidden = (nn.Linear(384, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 64), nn.ReLU())
        self.head = nn.Sequential(*hidden, nn.Linear(64, 10))

    def forward(self, mel: torch.Tensor, lyrics: torch.Tensor, meta: torch.Tensor) -> torch.Tensor:
        """Logits `(batch, 10)`."""
        parts = (self.mel(mel), self.lyrics(lyrics), self.meta(meta))
        return self.head(torch.cat(parts, dim=1))


class Rows(Dataset):
    """Log-mel spectrograms of memory-mapped `.npy` files, one after another."""

    def __init__(self, files: list[Path]) -> None:
        self.files = [np.load(file, mmap_mode="r") for file in files]
        self.starts = np.cumsum([0, *map(len, self.files)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, row: int) -> np.ndarray:
        file = int(np.searchsorted(self.starts, row, side="right")) - 1
        return np.array(self.files[file][row - self.starts[file]])


def spectrograms(arguments: argparse.Namespace, device: torch.device) -> Iterator[torch.Tensor]:
    """Batches `(batch, 1, 128, 1292)` float32 on the device, without an end."""
    if arguments.source == "batch":
        held = torch.randn(arguments.batch, 1, 128, 1292, device=device)
        while True:
            yield held
    rows = Rows(sorted(arguments.features.glob("*.npy")))
    pinned = device.type == "cuda"
    if arguments.source == "store":
        sampler = RandomSampler(rows, replacement=True, num_samples=10**9)
        loader = DataLoader(
            rows, arguments.batch, sampler=sampler, num_workers=2, pin_memory=pinned
        )
        for batch in loader:
            yield batch.to(device, non_blocking=True).float().reshape(-1, 1, 128, 1292)
    table = torch.from_numpy(np.concatenate(rows.files))
    table = table.to(device) if arguments.source == "device" else table
    while True:
        chosen = table[torch.randint(len(table), (arguments.batch,), device=table.device)]
        yield chosen.to(device, non_blocking=True).float().reshape(-1, 1, 128, 1292)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--source", choices=("batch", "device", "memory", "store"), default="batch")
    parser.add_argument("--features", type=Path, help="a folder of .npy files, but for one batch")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = DeepHits().train().to(device)
    layout = torch.channels_last if arguments.best else torch.contiguous_format
    run = torch.compile(model.to(memory_format=layout)) if arguments.best else model
    mels = spectrograms(arguments, device)
    lyrics = torch.randn(arguments.batch, 768, device=device)
    meta = torch.randn(arguments.batch, 26, device=device)
    targets = torch.randint(0, 10, (arguments.batch,), device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=10_000)

    def step() -> torch.Tensor:
        mel = next(mels).to(memory_format=layout)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=arguments.bfloat16):
            loss = nn.functional.cross_entropy(run(mel, lyrics, meta), targets)
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    for _ in range(3):
        step().item()
    began = time.perf_counter()
    for _ in range(arguments.steps):
        loss = step()
    # Reading the last loss waits for the device.
    loss.item()
    print(arguments.batch * arguments.steps / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
