"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Compiling the tests' small models takes longer than running them however slowly.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# The workers of `make test` use every core already, and idle threads of pools spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import pytest
from graphs import without_graphs

from deephits_keras import cpu
from deephits_keras.cli import main

# As the command does; a test may import TensorFlow before it runs one.
cpu.tune()


def pytest_collection_finish() -> None:
    """Keep garbage collections from going through a million imported objects each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def deephits(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command in this process, as its console script does."""

    def run(*args: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """A whole module without graphs."""
    with without_graphs():
        yield
