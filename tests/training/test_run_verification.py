"""`deephits verify` on runs, finished and not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deephits_keras.corpus import Corpus
from deephits_keras.runs.files import CHECKSUMS, RECORDED
from deephits_keras.verification import verify

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def finished(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deephits_keras.cli import main

    run = tmp_path_factory.mktemp("runs") / "run"
    words = f"train {corpus.folder} {run} --modalities meta --epochs 2 --batch-size 16"
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--max-learning-rate", "0.01", "--task", "tiers-3"])
    assert not stop.value.code
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_finished_run_is_whole_and_stays_so_when_it_moves(run: Path) -> None:
    result = verify(run)
    assert (result.kind, result.whole, result.checked) == ("run", True, len(RECORDED))


@pytest.mark.parametrize("name", RECORDED)
def test_every_file_counts(run: Path, name: str) -> None:
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    [finding] = verify(run).findings
    assert (Path(finding.file).name, finding.state) == (name, "damaged")
    (run / name).unlink()
    [finding] = verify(run).findings
    assert (Path(finding.file).name, finding.state) == (name, "missing")


@pytest.mark.parametrize("content", ["{}", "[1]", "{", '{"config.json": "0"}'])
def test_damaged_checksums_are_no_excuse(run: Path, content: str) -> None:
    (run / CHECKSUMS).write_text(content)
    [finding] = verify(run).findings
    assert (Path(finding.file).name, finding.state) == (CHECKSUMS, "damaged")


def test_a_run_that_was_stopped_before_its_report_gets_it(
    run: Path, corpus: Corpus, deephits: Callable[..., Any]
) -> None:
    (run / "report.html").unlink()
    [finding] = verify(run).findings
    assert f"deephits train {corpus.folder} {run} --resume" in finding.remedy
    assert deephits("train", corpus.folder, run, "--resume").code == 0
    assert deephits("verify", run).code == 0


def test_an_unfinished_run_says_how_to_go_on(
    run: Path, corpus: Corpus, deephits: Callable[..., Any]
) -> None:
    (run / CHECKSUMS).unlink()
    (run / "state").mkdir()
    (run / "state" / "compiled.keras").write_bytes((run / "model.keras").read_bytes())
    np.savez(run / "state" / "epoch-00001.npz", values=np.arange(1000))
    told = deephits("verify", run)
    assert told.code == 1
    assert f"deephits train {corpus.folder} {run} --resume" in told.out
    assert [f.state for f in verify(run).findings] == ["unfinished"]
    for name in ("compiled.keras", "epoch-00001.npz"):
        os.truncate(run / "state" / name, 2000)
    found = [(f.state, Path(f.file).name) for f in verify(run).findings[1:]]
    assert sorted(found) == [("damaged", "compiled.keras"), ("damaged", "epoch-00001.npz")]
    (run / "config.json").unlink()
    (run / CHECKSUMS).write_text("{")
    assert deephits("verify", run).code == 1
