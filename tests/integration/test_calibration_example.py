"""The example that measures calibration and ensembles, on a small planted table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import import_table

EXAMPLE = Path(__file__).parents[2] / "examples" / "calibration.py"


@pytest.mark.nightly
def test_the_example_measures_and_goes_on(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    tempo = draw.uniform(60, 160, 100)
    table = pd.DataFrame({"track_id": range(100), "popularity": (tempo - 60).round()})
    table["tempo"] = tempo
    table.to_csv(tmp_path / "songs.csv", index=False)
    import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    command = [sys.executable, str(EXAMPLE), str(tmp_path / "corpus"), str(tmp_path / "out")]
    command += ["--seeds", "2", "--members", "2", "--epochs", "1", "--batch-size", "16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tiers-3, 10 validation and 20 test tracks, 2 splits" in done.stdout
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    values = re.findall(r"(\d\.\d+) ±", lines["accuracy"])
    # A temperature moves no track to another tier.
    assert len(values) == 4
    assert (values[0], values[2]) == (values[1], values[3])
    # Ten tracks: the tenth of eleven ranks.
    stated = float(re.findall(r"of a split (\d\.\d+)", done.stdout)[0])
    assert stated == pytest.approx(10 / 11, abs=1e-4)
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.stdout == done.stdout
