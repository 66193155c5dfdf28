"""Keras on JAX against PyTorch on a GPU (or, small, on a CPU): rates, and what limits them.

    python -m benchmarks.gpu --chip H100 --batch 256 --steps 50
    python -m benchmarks.gpu --batch 8 --steps 2 --tracks 16      # anywhere, to see that it works

FLOPs and bytes of a step are those that XLA counts for its compiled program, for both frameworks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.corpora import noise_store
from benchmarks.training import ROOT, TORCH
from deephits_keras.cli.common import print_table

PAPER_EXAMPLES = 25 * 74_014
CHIPS = {
    # NVIDIA's data sheets, SXM, dense: TF32 and bfloat16 FLOP/s; bytes/s of memory.
    "H100": {"float32": 494.7e12, "bfloat16": 989.4e12, "memory": 3.35e12},
    "H200": {"float32": 494.7e12, "bfloat16": 989.4e12, "memory": 4.8e12},
}
SOURCES = ("device", "memory", "store")
COLUMNS = (
    "",
    "numbers",
    "features from",
    "examples/s",
    "FLOP/s",
    "of peak",
    "bytes/s",
    "of peak",
    "the paper's training",
)


def output_of(python: Path, *words: object) -> list[float]:
    """The numbers on the last line that a program prints."""
    done = subprocess.run(
        [str(python), *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
        capture_output=True,
        text=True,
    )
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--tracks", type=int, default=1024, help="tracks of the noise corpus")
    parser.add_argument("--chip", choices=CHIPS, help="whose peaks to compare with")
    arguments = parser.parse_args()
    peaks = CHIPS.get(arguments.chip, {})
    size = ("--batch", arguments.batch, "--steps", arguments.steps)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        features = noise_store(Path(folder) / "corpus", arguments.tracks).folder
        for numbers in ("float32", "bfloat16"):
            policy = "float32" if numbers == "float32" else "mixed_bfloat16"
            ours = ("-m", "benchmarks.steps_keras", *size, "--precision", policy)
            ours = (*ours, "--tracks", arguments.tracks)
            flops, moved = output_of(Path(sys.executable), *ours, "--cost")
            forms = {"Keras on JAX": (Path(sys.executable), *ours)}
            if TORCH.exists():
                theirs = (TORCH, ROOT / "benchmarks" / "steps_torch.py", *size)
                theirs = (*theirs, "--features", features)
                theirs = (*theirs, *(["--bfloat16"] if numbers == "bfloat16" else []))
                forms["PyTorch, eager"] = theirs
                forms["PyTorch, channels-last, compiled"] = (*theirs, "--best")
            for name, command in forms.items():
                for source in SOURCES:
                    [rate] = output_of(*command, "--source", source)
                    shares = [
                        f"{rate * amount / peaks[of]:.1%}" if peaks else "-"
                        for amount, of in ((flops, numbers), (moved, "memory"))
                    ]
                    rows.append(
                        (
                            name,
                            numbers,
                            source,
                            f"{rate:,.1f}",
                            f"{rate * flops:.2e}",
                            shares[0],
                            f"{rate * moved:.2e}",
                            shares[1],
                            f"{PAPER_EXAMPLES / rate / 3600:.2f} h",
                        )
                    )
                    print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    print_table("Training steps", COLUMNS, rows, text_columns=3)


if __name__ == "__main__":
    main()
