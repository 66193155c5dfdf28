"""`train` and `evaluate` called from Python; mistakes are told before Keras is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.corpus import Corpus


class Recorder(keras.callbacks.Callback):
    """Notes what it is told; stops after two epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.logs: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self.told.append("begin")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.told.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.told.append(f"batch {batch}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.logs = dict(logs)
        self.model.stop_training = epoch == 1

    def on_train_end(self, logs: Any = None) -> None:
        self.told.append("end")


def test_keras_callbacks_see_a_training_as_one_fit(corpus: Corpus, tmp_path: Path) -> None:
    recorder = Recorder()
    run = dh.train(
        corpus.folder,
        tmp_path / "run",
        modalities="meta",
        task="tiers-3",
        training=dh.TrainingConfig(epochs=4, batch_size=48, seed=3),
        callbacks=[recorder, keras.callbacks.CSVLogger(tmp_path / "log.csv")],
    )
    batches = ["batch 0", "batch 1"]
    assert recorder.told == ["begin", "epoch 0", *batches, "epoch 1", *batches, "end"]
    assert recorder.logs["val_macro_f1"] == pytest.approx(run.history["validation_macro_f1"][1])
    assert len(pd.read_csv(tmp_path / "log.csv")) == len(run.history) == 2
    assert run.finished
    assert (run.folder / "report.html").exists()
    assert run.config.training.seed == run.config.split["seed"] == 3
    assert set(run.predictions["part"]) == {"validation"}
    assert len(run.split.parts["validation"]) == len(run.predictions)
    assert run.require(corpus) is corpus


def test_two_seeds_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(dh.UserError, match="Two seeds are asked for: 1 and 3"):
        dh.train(corpus, tmp_path / "run", training=dh.TrainingConfig(seed=3), seed=1)


def test_mistakes_are_told_before_keras_is_imported(corpus: Corpus, tmp_path: Path) -> None:
    """Those of a folder or a name before pandas is, too: in the order of what may be imported."""
    here = str(corpus.folder)
    build = ["build", "--modalities"]
    of_names = [
        [*build, "smell"],
        [*build, "meta", "--fusion", "nuclear"],
        [*build, "meta", "--head", "hydra"],
        [*build, "meta", "--head", "corn", "--task", "regression"],
        [*build, "meta", "--fusion", "late", "--fusion-weights", "mel=1"],
        [*build, "meta", "--task", "tiers-7"],
        ["train", "no-such-corpus", "run"],
        ["train", here, "run", "--recipe", "mine"],
        ["train", here, "run", "--task", "tiers-7"],
        ["train", here, "run", "--fusion", "nuclear"],
        ["train", here, "run", "--head", "hydra"],
        ["train", here, "run", "--modalities", "smell"],
        ["train", here, "run", "--epochs", "0"],
        ["train", here, "run", "--weights-for", "no-such-corpus"],
        ["train", here, "run", "--split", "rolling", "--origins", "2000,x"],
        ["train", here, "run", "--resume"],
        ["train", here, here],
        ["train", here, "run", "--focal-gamma", "3"],
        ["evaluate", "no-such-run"],
        ["predict", "no-such-run", "--set", "tempo=100"],
        ["predict", "no-such-run"],
        ["explain", "no-such-run"],
        ["export", "no-such-run", "out"],
        ["verify", "no-such-folder"],
        ["extract", "no-such-corpus"],
        ["extract", here, "--modalities", "smell"],
        ["reproduce", "no-such-corpus", "out"],
        ["reproduce", here, "out", "--table", "99"],
        ["reproduce", here, "out", "--modalities", "smell"],
        ["reproduce", here, "out", "--fusion", "nuclear"],
        ["compare", "no-such-corpus", "out"],
        ["import", "table", "no-such-table.csv", "out"],
    ]
    of_content = [
        ["train", here, "run", "--validation", "2"],
        ["train", here, "run", "--fold", "3"],
        ["train", here, "run", "--split", "artist", "--by", "genre"],
        ["train", here, "run", "--split", "rolling", "--origins", "2090"],
        ["train", here, "run", "--split", "group", "--by", "gener"],
        ["compare", here, "out", "--protocol", "chance"],
        ["compare", here, "out", "--recipes", "mine"],
    ]
    code = (
        "import sys\n"
        "from deephits_keras.cli import main\n"
        "heavy = ['tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib']\n"
        f"for mistakes, more in (({of_names!r}, ['pandas', 'pyarrow']), ({of_content!r}, [])):\n"
        "    for words in mistakes:\n"
        "        try:\n"
        "            main(words)\n"
        "        except SystemExit as stop:\n"
        "            loaded = {*heavy, *more} & set(sys.modules)\n"
        "            assert stop.code == 2 and not loaded, (words, stop.code, loaded)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
