"""Several devices and several workers come to what one does; a worker that dies is told of."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.pipeline.batches import Share
from deephits_keras.training.cluster import Worker

OPTIONS = [
    "--modalities=meta",
    "--task=tiers-3",
    "--split=stratified",
    "--epochs=6",
    "--batch-size=16",
    "--dropout=0",
    "--max-learning-rate=0.01",
]
SAME = 1e-4
"""Float32 sums in another order differ by about 1e-7 a step; a gradient that is summed where it
should be averaged, a part left out or statistics of a part alone change the losses by 1e-2."""


def test_two_devices_come_to_the_weights_of_one(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "helpers" / "two_devices.py"
    subprocess.run(
        [sys.executable, script, tmp_path / "found.npz"],
        env={**os.environ, "PYTHONPATH": str(script.parent)},
        check=True,
        timeout=500,
    )
    found = np.load(tmp_path / "found.npz")
    # Synchronised statistics take the variance as E(x2) - E(x)2, which loses digits where the mean
    # is large: 8.6e-5 in all. Statistics of a part, or parts that aren't weighted, make it 0.7.
    np.testing.assert_allclose(found["two"], found["one"], atol=1e-2)


@pytest.fixture
def start() -> Iterator[Callable[..., list[subprocess.Popen[str]]]]:
    """Start two workers on loopback; whatever is left of them ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def both(*words: object) -> list[subprocess.Popen[str]]:
        sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
        addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
        for each in sockets:
            each.close()
        for index in range(2):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": addresses}, "task": task})
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "deephits_keras", "train", *map(str, words)],
                    env={**os.environ, "TF_CONFIG": config, "TF_NUM_INTRAOP_THREADS": "1"},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        return started[-2:]

    yield both
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.nightly
def test_two_workers_train_as_one_even_if_one_is_killed(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any], start: Callable[..., Any]
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert deephits("train", corpus.folder, alone, *OPTIONS).code == 0

    first, second = start(corpus.folder, together, *OPTIONS, "--distribute")
    deadline = time.monotonic() + 300
    while not (together / "state" / "state.json").exists() and time.monotonic() < deadline:
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    _, told = first.communicate(timeout=300)
    assert first.returncode == 1
    assert "deephits: Worker 0 of 2 (counted from 0) stopped because another one did" in told
    assert "Traceback" not in told

    resumed = start(corpus.folder, together, "--resume", "--distribute")
    outputs = [worker.communicate(timeout=300) for worker in resumed]
    assert [worker.returncode for worker in resumed] == [0, 0], outputs
    assert outputs[1][0] == f"Done: worker 0 writes {together}\n"

    histories = [pd.read_csv(run / "history.csv") for run in (alone, together)]
    pd.testing.assert_frame_equal(histories[0], histories[1], rtol=SAME)
    assert deephits("verify", together).code == 0


def test_shares_make_up_the_batch(corpus: Corpus) -> None:
    from deephits_keras.features.store import FeatureStore
    from deephits_keras.pipeline.batches import Batches

    encoders = resolve_modalities("meta")
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    stores = {m: FeatureStore.open(corpus, e) for m, e in encoders.items()}
    rows = np.arange(22)
    batches = Batches(stores, rows, rows, batch_size=10, seed=0)
    shares = [Share(batches, devices, 4) for devices in (range(3), range(3, 4))]
    assert [len(share) for share in shares] == [9, 3]
    parts = [[*map(share.stored, range(len(share)))] for share in shares]
    for step in range(3):
        inputs, targets = batches.stored(step)[:2]
        shared = [*parts[0][3 * step : 3 * step + 3], parts[1][step]]
        whole = [targets] * 4 if step == 2 else np.array_split(targets, 4)
        assert sorted(len(t) for _, t, _ in shared) == sorted(map(len, whole))
        if step < 2:
            for name in inputs:
                together = np.concatenate([i[name] for i, _, _ in shared])
                np.testing.assert_array_equal(together, inputs[name])
        # The mean of the devices' weighted means is the batch's mean.
        means = [(weights * targets).mean() for _, targets, weights in shared]
        assert np.mean(means) == pytest.approx(targets.mean())


@pytest.mark.parametrize(
    "config",
    [
        "worker 0",
        '{"cluster": {}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
    ids=["no JSON", "no workers", "no such worker", "another job"],
)
def test_a_wrong_tf_config_is_explained(
    config: str, corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match="TF_CONFIG"):
        Worker.from_environment()
    refused = deephits("train", corpus.folder, tmp_path / "run", *OPTIONS, "--distribute")
    assert refused.code == 2
    assert "TF_CONFIG" in refused.err


@pytest.mark.parametrize("words", [["--xla"], ["--cache", "device"]])
def test_what_does_not_go_together_is_refused(
    corpus: Corpus, tmp_path: Path, deephits: Callable[..., Any], words: list[str]
) -> None:
    run = tmp_path / "run"
    refused = deephits("train", corpus.folder, run, *OPTIONS, *words, "--distribute")
    assert refused.code == 2
    assert f"--distribute can't be used with {' '.join(words)}" in refused.err
    assert not run.exists()
