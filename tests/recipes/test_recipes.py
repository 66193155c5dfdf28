"""Recipes: data found by entry point, over which what is asked for wins."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import write_corpus
from deephits_keras.encoders.registry import registry, resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.recipes import Recipe, choose, get_recipe, recipes
from deephits_keras.recipes.extraction import extract
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.sample import make_sample
from deephits_keras.training.workflow import plan_training
from deephits_keras.utils.records import to_plain

NAMES = sorted(recipes())


@pytest.mark.parametrize("name", NAMES)
def test_each_names_what_is_there(name: str) -> None:
    recipe = get_recipe(name)
    for modality, encoder in recipe.modalities.items():
        assert registry().load(encoder).modality == modality
    for encoder, settings in recipe.encoders.items():
        registry().load(encoder).from_config(settings)
    if not recipe.shallow:
        from deephits_keras.model.fusion import get_fusion

        assert get_fusion(choose(recipe).fusion)
    assert recipe.source
    assert recipe.distribution.startswith("deephits-keras")
    json.dumps(recipe, default=to_plain)


def test_the_papers_recipe_is_the_papers_training() -> None:
    # The defaults but for `select`: the macro-F1 of the paper is unstable.
    assert choose("paper").training == TrainingConfig(select="macro_f1")


def test_what_is_asked_for_wins() -> None:
    recipe = Recipe(
        "mine",
        "fields with other settings",
        modalities={"mel": "mel_crnn", "meta": "numeric"},
        encoders={"numeric": {"units": 8, "columns": ("tempo",)}},
        fusion={"name": "late", "head": "corn", "units": [3]},
        training={"epochs": 3, "l2": 0.5},
        task="tiers-3",
    )
    chosen = choose(
        recipe,
        modalities="meta,mel=mel_cnn",
        settings={"meta": {"units": 5}},
        fusion={"name": "early"},
        training={"epochs": 9},
    )
    assert chosen.modalities == "meta=numeric,mel=mel_cnn"
    assert chosen.settings == {"meta": {"units": 5}}
    (numeric,) = resolve_modalities("meta", chosen.settings, defaults=chosen.defaults).values()
    assert numeric.get_config().items() >= {"units": 5, "columns": ["tempo"]}.items()
    # The units were of the other fusion.
    assert chosen.fusion == {"name": "early", "head": "corn"}
    assert (chosen.training.epochs, chosen.training.l2, chosen.task) == (9, 0.5, "tiers-3")
    assert choose(recipe).fusion == dict(recipe.fusion)
    assert choose(recipe).modalities == "mel=mel_crnn,meta=numeric"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("summary = ", "not TOML"),
        ("[fusion]\nname = 'early'", "summary is missing"),
        ("summary = 's'\nfussion = 3", "there is no 'fussion'"),
        ("summary = 's'\nfusion = 3", "fusion must be names with values"),
        ("summary = 's'\n[training]\nepoch = 3", "settings: there is no 'epoch'"),
        ("summary = 's'\n[training]\noptimizer = 'magic'", "optimizer must be one of"),
        ("summary = 's'\nfidelity = 'perfect'", "fidelity must be one of"),
        ("summary = 's'\ntask = 'tiers-4'", "no task named 'tiers-4'"),
        ("summary = 's'\n[estimator]\nname = 'svm'\n[training]\nepochs = 1", "neither fusion nor"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Recipe.from_toml("broken", text)


def test_an_unknown_one_lists_the_known(deephits: Callable[..., Any]) -> None:
    outcome = deephits("recipes", "show", "nonsense")
    assert outcome.code == 2
    assert "paper" in outcome.err


def test_a_list_needs_no_keras() -> None:
    program = (
        "import sys; from deephits_keras.cli import main\n"
        "try: main(['recipes', 'list'])\n"
        "except SystemExit: print('keras' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "paper" in done.stdout
    assert done.stdout.strip().endswith("False False")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    make_sample(folder, 40, seed=1, seconds=1)
    return folder


def test_a_run_keeps_the_recipe_and_the_options(
    raw: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    assert deephits("import", "spotgentrack", raw, corpus).code == 0
    outcome = deephits(
        *("train", corpus, run, "--recipe", "paper", "--modalities", "meta", "--epochs", "30"),
        *("--optimizer", "adadelta", "--schedule", "plateau", "--max-learning-rate", "1e-30"),
        *("--patience", "2", "--batch-size", "16", "--jobs", "1", "--meta-units", "4"),
        *("--select", "loss", "--time-limit", "9"),
    )
    assert outcome.code == 0, outcome.err
    # A limit that isn't reached isn't what ended it.
    assert "Stopped after epoch 3 of 30: 2 epochs brought no better checkpoint" in outcome.out
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["name"] == "paper"
    assert config["recipe"]["recipe"] == json.loads(
        json.dumps(get_recipe("paper"), default=to_plain)
    )
    assert config["recipe"]["options"]["training"]["optimizer"] == "adadelta"
    assert config["recipe"]["options"]["settings"] == {"meta": {"units": "4"}}
    assert config["training"] == dataclasses.asdict(
        TrainingConfig(
            epochs=30,
            optimizer="adadelta",
            schedule="plateau",
            max_learning_rate=1e-30,
            patience=2,
            batch_size=16,
            select="loss",
            time_limit=9,
        )
    )


def test_patience_and_plateaus_follow_the_history() -> None:
    from deephits_keras.training.optimizer import plateau_rate
    from deephits_keras.training.state import TrainingState

    training = TrainingConfig(schedule="plateau", max_learning_rate=8.0, plateau_factor=0.5)
    history = [{"validation_loss": loss} for loss in (3.0, 2.0, 2.5, 1.0, 1.0)]
    assert plateau_rate(training, []) == 8.0
    assert plateau_rate(training, history[:2]) == 8.0
    assert plateau_rate(training, history) == 2.0
    state = TrainingState(Path("nowhere"), history, best_epoch=4)
    assert not state.out_of_patience(2)
    assert state.out_of_patience(1)
    assert not state.out_of_patience(0)


@pytest.mark.parametrize(
    ("recipe", "encoder"),
    # The last one has settings for its encoder that change the features.
    [("default", "tabular"), ("paper", "numeric"), ("hitmusicnet", "scaled_fields")],
)
def test_extract_extracts_what_train_trains_on(tmp_path: Path, recipe: str, encoder: str) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{k}" for k in range(12)], "audio": None, "lyrics": None})
    table["popularity"], table["tempo"] = rng.uniform(20, 100, (2, 12))
    corpus = write_corpus(
        tmp_path, table, {"synthetic": True, "encoder_settings": {}}, rejected=pd.DataFrame()
    )
    summary = extract(corpus, recipe=recipe, modalities="meta", jobs=1).summaries["meta"]
    trained = plan_training(corpus, tmp_path / "run", recipe=recipe, modalities="meta").encoders
    assert summary.encoder == encoder
    assert summary.fingerprint == trained["meta"].fingerprint()


def test_a_quality_changes_what_is_not_given() -> None:
    own = choose("default")
    fast = choose("default", quality="fast")
    assert fast.training.epochs == own.training.epochs // 4
    assert fast.record["options"] == {"quality": "fast"}
    given = choose("default", quality="fast", training={"epochs": 7})
    assert given.training.epochs == 7
    assert given.record["options"] == {"training": {"epochs": 7}, "quality": "fast"}
    assert choose("default", quality="best").training.ensemble == 5
    assert choose("default", quality="best", training={"ensemble": 2}).training.ensemble == 2
    assert choose("default", quality="good") == own
    with pytest.raises(UserError, match="Qualities: fast, good, best"):
        choose("default", quality="perfect")
