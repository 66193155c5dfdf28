"""Run benchmarks and print one table.

python -m benchmarks [NAME ...]                   beside other packages
python -m benchmarks --against COMMIT [TASK ...]  beside an older commit of this one
python -m benchmarks accuracy CORPUS ...          scores beside boosted trees (benchmarks.accuracy)
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Where it is set, every start compiles what users have compiled: nine seconds for TensorFlow.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if TYPE_CHECKING:
    from benchmarks.compare import Comparison

NAMES = (
    "startup",
    "extraction",
    "songs",
    "collaborations",
    "reading",
    "lyrics",
    "prediction",
    "bundles",
    "serving",
    "training",
    "tried",
    "memory",
    "importing",
)


def comparisons(words: list[str]) -> Iterator[Comparison]:
    """What the words ask for."""
    if words[:1] == ["--against"] and len(words) > 1:
        from benchmarks.against import run

        yield from run(words[1], words[2:])
        return
    for name in words or NAMES:
        yield from importlib.import_module(f"benchmarks.{name}").run()


def main() -> None:
    """Run the named benchmarks, or all."""
    if {"--help", "-h"} & set(sys.argv[1:2]):
        print(f"{__doc__}\nNames: {', '.join(NAMES)}")
        return
    if sys.argv[1:2] == ["accuracy"]:
        from benchmarks import accuracy

        accuracy.main(sys.argv[2:])
        return
    from benchmarks.compare import COLUMNS
    from deephits_keras import cpu
    from deephits_keras.cli.common import print_table

    cpu.keep_freed_memory()
    rows = []
    for comparison in comparisons(sys.argv[1:]):
        rows.append(comparison.row)
        print(" | ".join(comparison.row), file=sys.stderr, flush=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print_table("Benchmarks", COLUMNS, rows)


if __name__ == "__main__":
    main()
