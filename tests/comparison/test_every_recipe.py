"""Every recipe that ships is trained and scored, on one small synthetic corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deephits_keras.recipes import recipes
from deephits_keras.sample import make_sample

SMALL = (
    *("--mel-cnn-frames", "64", "--mel-fcn-frames", "64", "--mel-conv1d-frames", "64"),
    *("--cqt-cnn-channels", "4,4,4,4", "--lyrics-lstm-max-words", "16"),
)
BIOGRAPHY = "biography"
"""The only input that a synthetic corpus lacks."""


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_every_recipe_runs_on_the_sample(tmp_path: Path, deephits: Callable[..., Any]) -> None:
    make_sample(tmp_path / "raw", 14, seed=1, seconds=1)
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    assert deephits("import", "spotgentrack", tmp_path / "raw", corpus).code == 0
    options = ("--seeds", "1", "--epochs", "1", "--controls", "0", "--jobs", "1", "--json")
    outcome = deephits("compare", corpus, out, "--protocol", "random", *options, *SMALL)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert not found["failed"]
    assert not found["left_out"]
    (board,) = found["boards"]
    lines = {line["recipe"]: line for line in board["lines"]}
    assert set(lines) == set(recipes())
    for name, recipe in recipes().items():
        assert 0 <= lines[name]["metrics"]["accuracy"][0] <= 1
        assert (lines[name]["parameters"] is None) == recipe.shallow
        used = [words.split("=")[0] for words in lines[name]["modalities"].split(",") if words]
        if recipe.modalities:
            assert [*used, *found["without"].get(name, ())] == list(recipe.modalities)
    assert {n: list(reasons) for n, reasons in found["without"].items()} == {
        "oramas2017": [BIOGRAPHY]
    }
    # A setting of one recipe's encoder has no effect on the others, which is told for each.
    assert "mel_cnn" in found["without_effect"]["yang2017"]
    assert "mel_cnn" not in found["without_effect"]["paper"]
    assert "yang2017 doesn't use the given settings of" in " ".join(
        (out / "leaderboard.html").read_text().replace("&#39;", "'").split()
    )
