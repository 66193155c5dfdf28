"""The same seed on the same machine gives the same bytes, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

PROGRAM = """
import sys
from deephits_keras.cli import main
corpus, run = sys.argv[1:3]
train = ["train", corpus, run, *"--modalities mel,meta --mel-frames 32 --task tiers-3".split()]
main([*train, *"--epochs 2 --batch-size 8 --max-learning-rate 0.01 --seed 4".split(),
      "--modality-dropout", "0.2", "--jobs", sys.argv[3]])
"""
HISTORY = ("split.parquet", "history.csv", "metrics.json", "baselines.json", "predictions.parquet")


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "audio").mkdir()
    for n in range(40):
        soundfile.write(tmp_path / f"audio/t{n}.mp3", 0.1 * rng.standard_normal(22050), 22050)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(40)]})
    table["popularity"], table["tempo"] = rng.integers(0, 101, 40), rng.normal(120, 9, 40)
    table.to_csv(tmp_path / "tracks.csv", index=False)
    written = []
    for number, jobs in enumerate(("1", "2")):
        corpus, run = tmp_path / f"corpus{number}", tmp_path / f"run{number}"
        words = ["import", "table", tmp_path / "tracks.csv", corpus, "--audio", tmp_path / "audio"]
        subprocess.run([sys.executable, "-m", "deephits_keras", *map(str, words)], check=True)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(corpus), str(run), jobs],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        stored = sorted(p for p in corpus.rglob("*") if p.is_file())
        written.append(
            {str(p.relative_to(corpus)): p.read_bytes() for p in stored}
            | {name: (run / name).read_bytes() for name in HISTORY}
        )
    assert written[0].keys() == written[1].keys()
    assert [name for name in written[0] if written[0][name] != written[1][name]] == []
