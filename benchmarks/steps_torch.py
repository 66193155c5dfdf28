"""The same model and training step in PyTorch; prints examples a second. Needs only PyTorch.

    python benchmarks/steps_torch.py --batch 64 --steps 10 [--best]

`--best` is channels-last with `torch.compile`. PyTorch's oneDNN, too, corrupts memory in the
gradient of a strided 1 x 1 convolution on CPUs with AVX-512, so the shortcut is strided by slicing.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--best", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = DeepHits().train()
    mel = torch.randn(arguments.batch, 1, 128, 1292)
    run = model
    if arguments.best:
        model = model.to(memory_format=torch.channels_last)
        mel = mel.to(memory_format=torch.channels_last)
        run = torch.compile(model)
    lyrics, meta = torch.randn(arguments.batch, 768), torch.randn(arguments.batch, 26)
    targets = torch.randint(0, 10, (arguments.batch,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=10_000)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(run(mel, lyrics, meta), targets).backward()
        optimizer.step()
        schedule.step()

    for _ in range(3):
        step()
    began = time.perf_counter()
    for _ in range(arguments.steps):
        step()
    print(arguments.batch * arguments.steps / (time.perf_counter() - began))


if __name__ == "__main__":
    main()
