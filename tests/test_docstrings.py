"""Every example of a docstring runs, and gives what it says.

What an example is about but doesn't make, a reader has already: `corpus`, `encoder`, `stores`,
`rows`, `targets`, `architecture` are small ones here.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import Toy, toy_stores

from deephits_keras.corpus.table import Corpus
from deephits_keras.model.architecture import Architecture, Branch, Part

ROOT = Path(__file__).parents[1]
PACKAGES = {"deephits_keras": "deephits_keras", "deephits_plugins": "plugins"}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
TRACKS = 12


def modules_with_examples() -> list[str]:
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                found.append(".".join([package, *parts]).removesuffix(".__init__"))
    return found


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("docstrings") / "corpus"
    return {
        "stores": toy_stores(folder, TRACKS),
        "corpus": Corpus.open(folder),
        "encoder": Toy(),
        "rows": np.arange(TRACKS),
        "targets": np.zeros((TRACKS, 1), "float32"),
        "architecture": Architecture(
            "regression",
            "early",
            (Branch("sound", "toy", {"wave": (4, 3)}, 4, 52, ()),),
            0,
            Part("early fusion", 64, 320, ()),
            Part("output", 1, 65, ()),
        ),
    }


@pytest.mark.parametrize("module", modules_with_examples())
def test_every_example_gives_what_it_says(
    module: str,
    at_hand: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    documented = importlib.import_module(module)
    assert not doctest.testmod(documented, extraglobs=at_hand, optionflags=FLAGS).failed
