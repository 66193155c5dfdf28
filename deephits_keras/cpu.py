"""What makes TensorFlow fast on a CPU and isn't its default everywhere."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""Parameters of `mallopt`, from glibc's <malloc.h>."""


def tune() -> None:
    """Do all of it; before TensorFlow is imported."""
    ask_for_onednn()
    keep_freed_memory()


def ask_for_onednn() -> None:
    """Let TensorFlow use oneDNN's kernels.

    TensorFlow asks for oneDNN by itself only on CPUs with AVX-512's VNNI or newer; a training step
    takes a third of the time through it (docs/performance.md), with AVX2 alone too. The variable
    `TF_ENABLE_ONEDNN_OPTS`, where it is set already, stands; TensorFlow reads it once, when it is
    imported.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for its next allocation.

    Extracting a track, or a training step, frees and allocates the same megabytes again and again.
    glibc gives large blocks back to the kernel, which then has to find and clear every page anew: a
    sixth of the time of extraction (docs/performance.md). Peak memory stays the same. Elsewhere
    than with glibc nothing is changed.

    Returns:
        Whether the C library took all of it.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Only the main arena can keep blocks of any size.
    wanted = ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1))
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted)
