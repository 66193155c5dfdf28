"""CPU settings that make TensorFlow fast and aren't always its default."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
"""Parameters of `mallopt`, from glibc's <malloc.h>."""


def tune() -> None:
    """Apply all settings; call it before TensorFlow is imported."""
    ask_for_onednn()
    keep_freed_memory()


def ask_for_onednn() -> None:
    """Let TensorFlow use oneDNN's kernels.

    By default TensorFlow uses oneDNN only on CPUs with AVX-512 VNNI or newer; with it a training
    step takes a third of the time, also with AVX2 only (docs/performance.md). An existing value of
    `TF_ENABLE_ONEDNN_OPTS` is kept; TensorFlow reads it once, when it is imported.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next allocations.

    Extraction and training steps repeatedly free and allocate the same megabytes. glibc returns
    large blocks to the kernel, which must clear every page again: a sixth of the time of extraction
    (docs/performance.md). Peak memory is unchanged. Without glibc this does nothing.

    Returns:
        Whether the C library accepted all settings.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Only the main arena can keep blocks of any size.
    wanted = ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1))
    return all(mallopt(parameter, value) == 1 for parameter, value in wanted)
