"""Short runs of what `benchmarks/` tries at length: damage, and what people really have."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "benchmarks" / "fuzz.py"


def test_tables_in_any_dialect_have_the_values_that_they_were_made_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    assert not importlib.import_module("benchmarks.fuzz_tables").fuzz(40, seed=7_000_000)


def test_recordings_in_any_container_are_their_original_or_say_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("av")
    monkeypatch.syspath_prepend(ROOT)
    assert not importlib.import_module("benchmarks.fuzz_recordings").fuzz(60, seed=7_000_000)


def test_whatever_is_damaged_is_accepted_or_rejected_with_a_reason() -> None:
    words = ["--audio", "30", "--rows", "100", "--runs", "4", "--configurations", "8"]
    words += ["--seed", "7"]
    done = subprocess.run(
        [sys.executable, str(FUZZ), *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "142 tried, 142 survived" in done.stdout
    # Both happen: a program that rejects everything survives as well.
    for what in ("recordings", "table rows", "configurations"):
        [(accepted, rejected)] = re.findall(
            rf"{what}: .*\((\d+) accepted, (\d+) rejected", done.stdout
        )
        assert int(accepted) > 0
        assert int(rejected) > 0
