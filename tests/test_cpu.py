"""Freed memory stays with the process, what lives as long as it isn't searched for garbage."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import mmap, sys
import numpy as np
from deephits_keras.cpu import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE

block = np.ones(2**26, np.uint8)
held = resident()
del block
print(held - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
@pytest.mark.parametrize(("what", "given_back"), [("keep", False), ("leave", True)])
def test_a_large_block_is_kept_only_if_asked_for(what: str, given_back: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, what], capture_output=True, text=True, check=True
    )
    assert (int(done.stdout) > 2**25) == given_back


def test_what_keras_imports_is_kept_from_the_garbage_collector() -> None:
    program = """
import gc
from deephits_keras.cli.common import import_keras
import_keras()
kept = gc.get_freeze_count()
later = [[] for _ in range(1000)]
import_keras()
print(gc.isenabled(), kept > 100_000, gc.get_freeze_count() == kept)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 3, done.stderr
