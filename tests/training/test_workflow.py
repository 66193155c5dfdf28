"""`train` and `evaluate` called from Python; mistakes are told before Keras is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus


def test_train_and_evaluate_are_functions(corpus: Corpus, tmp_path: Path) -> None:
    run = dh.train(
        corpus.folder, tmp_path / "run", modalities="meta", task="tiers-3", training={"epochs": 2}
    )
    assert run.finished
    assert (run.folder / "report.html").exists()
    assert len(run.history) == 2
    assert set(run.predictions["part"]) == {"validation"}
    assert len(run.split.parts["validation"]) == len(run.predictions)
    assert run.require(corpus) is corpus
    found = dh.evaluate(run)["validation"]["tiers-3"]
    assert found == pytest.approx(run.metrics["parts"]["validation"]["tiers-3"], rel=1e-5)


def test_mistakes_are_told_before_keras_is_imported(corpus: Corpus, tmp_path: Path) -> None:
    mistakes = [
        ["train", "no-such-corpus", "run"],
        ["train", str(corpus.folder), "run", "--task", "tiers-7"],
        ["train", str(corpus.folder), "run", "--modalities", "smell"],
        ["train", str(corpus.folder), "run", "--epochs", "0"],
        ["train", str(corpus.folder), "run", "--validation", "2"],
        ["train", str(corpus.folder), "run", "--resume"],
        ["evaluate", "no-such-run"],
        ["predict", "no-such-run", "--set", "tempo=100"],
    ]
    code = (
        "import sys\n"
        "from deephits_keras.cli import main\n"
        f"for words in {mistakes!r}:\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as stop:\n"
        "        heavy = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "        assert stop.code == 2 and not heavy, (words, stop.code, heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
