"""Run benchmarks and print one table: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import importlib
import os
import platform
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAMES = (
    "startup",
    "extraction",
    "songs",
    "reading",
    "lyrics",
    "prediction",
    "serving",
    "training",
    "tried",
    "memory",
)


def main() -> None:
    """Run the named benchmarks, or all."""
    from benchmarks.compare import COLUMNS
    from deephits_keras import cpu
    from deephits_keras.cli.common import print_table

    cpu.keep_freed_memory()
    rows = []
    for name in sys.argv[1:] or NAMES:
        for comparison in importlib.import_module(f"benchmarks.{name}").run():
            rows.append(comparison.row)
            print(f"{name}: {' | '.join(comparison.row)}", file=sys.stderr, flush=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print_table("Benchmarks", COLUMNS, rows)


if __name__ == "__main__":
    main()
