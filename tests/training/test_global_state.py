"""A notebook's own settings are what they were after it trained, evaluated and predicted."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus
from deephits_keras.utils.files import replacing, write_text


@pytest.fixture
def umask() -> Iterator[int]:
    """An unusual umask."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def state() -> dict[str, Any]:
    stderr = os.fstat(2)
    umask = os.umask(0)
    os.umask(umask)
    return {
        "python": random.getstate(),
        "numpy": [repr(part) for part in np.random.get_state()],
        "policy": keras.config.dtype_policy().name,
        "stderr": (stderr.st_dev, stderr.st_ino),
        "umask": umask,
        "loggers": [logging.getLogger(name).level for name in ("", "tensorflow", "keras", "absl")],
    }


def test_public_functions_leave_global_state_alone(
    corpus: Corpus, tmp_path: Path, umask: int
) -> None:
    random.seed(3)
    np.random.seed(4)
    during: list[Any] = []
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        before = state()
        run = dh.train(
            corpus,
            tmp_path / "run",
            modalities="meta",
            task="tiers-3",
            training={"epochs": 1},
            report=lambda _: during.append((state()["stderr"], state()["umask"])),
        )
        assert state() == before
        dh.evaluate(run)
        assert state() == before
        dh.predict(run, fields={"tempo": 120})
        assert state() == before
    finally:
        keras.config.set_dtype_policy("float32")
    assert during == [(before["stderr"], umask)]
    # Trained in the precision that was asked for, not in the caller's.
    assert run.model.get_layer("members_1").compute_dtype == "float32"
    assert {path.stat().st_mode & 0o777 for path in run.folder.glob("*.*")} == {0o640}


def test_a_file_has_the_permissions_that_open_gives(tmp_path: Path, umask: int) -> None:
    new, old = tmp_path / "new.txt", tmp_path / "old.txt"
    write_text(new, "text")
    assert new.stat().st_mode & 0o777 == 0o666 & ~umask
    old.write_text("text")
    old.chmod(0o604)
    with replacing(old) as temporary:
        temporary.write_text("other")
    assert old.read_text() == "other"
    assert old.stat().st_mode & 0o777 == 0o604
