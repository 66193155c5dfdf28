"""A finished run's folder, as training leaves it, without the training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.evaluation.baselines import baseline_metrics
from deephits_keras.evaluation.metrics import evaluate
from deephits_keras.model.architecture import Architecture, Branch, LayerRow, Part
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.tasks import TASKS, Prediction, Task
from deephits_keras.utils.files import write_json
from deephits_keras.utils.records import to_plain

ARCHITECTURE = Architecture(
    task="tiers-10",
    fusion="early",
    branches=(
        Branch("mel", "mel_cnn", {"mel": (128, 1292)}, 64, 92_736, ()),
        Branch("lyrics", "bert_lyrics", {"pooled": (768,)}, 256, 262_656, ()),
        Branch("meta", "numeric", {"values": (26,)}, 64, 5_888, ()),
    ),
    missing_embeddings=384,
    fusion_part=Part("early fusion", 64, 115_008, (LayerRow("fusion_1", "Dense", (256,), 98_560),)),
    output=Part("output", 10, 650, ()),
)
EPOCHS = 12

RunMaker = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    """Write a run's folder; the arguments say what is special about it."""

    def make(
        task_name: str = "tiers-10",
        *,
        parts: dict[str, int] | None = None,
        baselines: bool = True,
        config: dict[str, Any] | None = None,
    ) -> Path:
        task = TASKS[task_name]
        folder = tmp_path / "run"
        folder.mkdir()
        sizes = {"train": 2880, **(parts or {"validation": 720})}
        write_json(folder / "config.json", {**_config(task, sizes), **(config or {})})
        write_json(folder / "architecture.json", ARCHITECTURE)
        _history(task).to_csv(folder / "history.csv", index=False)
        held_out = {part: _tracks(n, seed) for seed, (part, n) in enumerate(sizes.items()) if seed}
        scored = {
            part: (popularity, _prediction(task, popularity))
            for part, popularity in held_out.items()
        }
        tables = [_table(task, part, *pair) for part, pair in scored.items()]
        pd.concat(tables, ignore_index=True).to_parquet(folder / "predictions.parquet")
        metrics = {
            "selected_epoch": 9,
            "selected_by": "macro_f1",
            "parts": {part: evaluate(task, *pair) for part, pair in scored.items()},
            "missing": {"lyrics": {part: n // 7 for part, n in sizes.items()}},
        }
        write_json(folder / "metrics.json", metrics)
        if baselines:
            train, test = _tracks(2880, 0), held_out[list(held_out)[-1]]
            features = np.empty((len(train), 0)), train, np.empty((len(test), 0)), test
            majority = baseline_metrics(task, *features, kind="majority")
            write_json(folder / "baselines.json", {"majority": majority})
        return folder

    return make


def _tracks(n: int, seed: int) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(42, 17, n), 0, 100).astype("float32")


def _prediction(task: Task, popularity: np.ndarray) -> Prediction:
    draw = np.random.default_rng(9)
    guess = 42 + 0.6 * (popularity - 42) + draw.normal(0, 9, len(popularity))
    if task.kind == "regression":
        return task.decode(guess / 100)
    midpoints = np.array([(low + high) / 2 for low, high in task.tiers.bounds])
    return task.decode(-(((guess[:, np.newaxis] - midpoints) / 12) ** 2))


def _table(task: Task, part: str, popularity: np.ndarray, prediction: Prediction) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "track_id": [f"{part}-{n}" for n in range(len(popularity))],
            "row": np.arange(len(popularity)),
            "part": part,
            "popularity": popularity,
            "predicted_popularity": prediction.popularity,
            "true_tier": task.tiers.of(popularity),
            "tier": prediction.tiers(task.tiers),
        }
    )


def _history(task: Task) -> pd.DataFrame:
    epoch = np.arange(1, EPOCHS + 1)
    falling = np.exp(-epoch / 4)
    hits = {"accuracy": 0.42 - 0.3 * falling} if task.kind == "classification" else {}
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 1.4 + falling,
            **hits,
            "learning_rate": np.interp(epoch, [1, 4, EPOCHS], [0.004, 0.1, 4e-7]),
            "validation_loss": 1.5 + 0.9 * falling + 0.02 * np.sin(3 * epoch),
            "validation_macro_f1": 0.24 - 0.2 * falling + 0.01 * np.sin(5 * epoch),
            "validation_accuracy": 0.37 - 0.25 * falling,
            "seconds": 3.2,
        }
    )


def _config(task: Task, sizes: dict[str, int]) -> dict[str, Any]:
    def record(encoder: str, config: dict[str, Any]) -> dict[str, Any]:
        return {
            "encoder": encoder,
            "version": "1",
            "distribution": "deephits-keras",
            "distribution_version": "0.1.0",
            "config": config,
            "fingerprint": "0123456789ab",
            "learned_missing": encoder == "bert_lyrics",
        }

    return {
        "format": 1,
        "task": task.name,
        "fusion": {"name": "early", "dropout": 0.5, "units": [256, 64]},
        "modalities": {
            "mel": record("mel_cnn", {"sample_rate": 22050, "frames": 1292, "crop": "centre"}),
            "lyrics": record("bert_lyrics", {"checkpoint": None, "tokens": 512}),
            "meta": record("numeric", {"columns": ["tempo", "energy", "artist_popularity"]}),
        },
        "training": to_plain(TrainingConfig(epochs=EPOCHS)),
        "split": {"kind": "random", "seed": 0, "sizes": sizes},
        "corpus": {
            "folder": "/data/corpus",
            "fingerprint": "feedc0ffee12",
            "synthetic": True,
            "tracks": sum(sizes.values()),
        },
        "command": "deephits train demo/corpus demo/run --epochs 12",
        "created_with": {
            "deephits-keras": "0.1.0",
            "keras": "3.15.1",
            "backend": "tensorflow 2.21",
        },
    }
