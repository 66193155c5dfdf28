"""Settings that are paths: absolute, hashed by content, and told by name if they are gone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deephits_plugins.bert_lyrics import BertLyrics, BertLyricsConfig

from deephits_keras.encoders.contract import EncoderConfig, FeatureSpec, ModalityEncoder, setting
from deephits_keras.errors import UserError


@dataclass(frozen=True)
class GraphConfig(EncoderConfig):
    edges: str | None = setting(None, "a table of edges", changes_features=True, path=True)
    colours: str | None = setting(None, "of the picture", path=True)


class Graph(ModalityEncoder[GraphConfig]):
    name = "artist_graph"
    modality = "graph"
    version = "1"
    Config = GraphConfig
    feature_specs = (FeatureSpec("vector", (4,)),)

    def extract(self, track: Any) -> None:
        return None

    def build(self, inputs: Any) -> Any:
        return inputs["vector"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "edges").mkdir()
    (tmp_path / "edges" / "a.csv").write_text("a,b")
    (tmp_path / "colours.txt").write_text("red")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_relative_path_is_made_absolute_and_found_from_another_folder(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Graph.from_config({"edges": "edges", "colours": "colours.txt"})
    stored = encoder.get_config()
    assert stored == {"edges": str(here / "edges"), "colours": str(here / "colours.txt")}
    assert Graph(GraphConfig(edges="edges")).config.edges == str(here / "edges")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    again = Graph.from_stored(stored, {})
    assert again.fingerprint() == encoder.fingerprint()
    assert again.config == encoder.config


def test_the_fingerprint_is_of_the_content_wherever_it_lies(here: Path) -> None:
    first = Graph.from_config({"edges": "edges"}).fingerprint()
    shutil.copytree("edges", "copy")
    assert Graph.from_config({"edges": "copy"}).fingerprint() == first
    assert Graph.from_config({"edges": "edges", "colours": "colours.txt"}).fingerprint() == first
    assert Graph().fingerprint() != first
    Path("copy/b.csv").write_text("b,c")
    assert Graph.from_config({"edges": "copy"}).fingerprint() != first
    Path("edges/a.csv").write_text("a,c; another")
    assert Graph.from_config({"edges": "edges"}).fingerprint() != first
    one = Graph.from_config({"edges": "edges/a.csv"}).fingerprint()
    assert one not in (first, Graph().fingerprint())


def test_a_path_that_is_gone_is_told_by_its_setting(here: Path) -> None:
    told = rf"setting edges of the encoder artist_graph names {here}/edges, which isn't there"
    stored = Graph.from_config({"edges": "edges"}).get_config()
    shutil.move("edges", "moved")
    with pytest.raises(UserError, match=told + ".*--artist-graph-edges PATH"):
        Graph.from_stored(stored, {})
    with pytest.raises(UserError, match=told):
        Graph.from_config(stored).fingerprint()
    assert Graph.from_stored(stored, {"edges": "moved"}).config.edges == str(here / "moved")


def test_a_checkpoint_is_a_folder_if_there_is_one_and_else_a_name(here: Path) -> None:
    Path("my-bert").mkdir()
    assert BertLyrics(BertLyricsConfig(checkpoint="my-bert")).config.checkpoint == str(
        here / "my-bert"
    )
    for name in ("bert-base-multilingual-cased", "keras-hub:bert_base_multi"):
        encoder = BertLyrics(BertLyricsConfig(checkpoint=name))
        assert encoder.config.checkpoint == name
        assert encoder.gone_paths() == ()
        assert encoder.fingerprint_config()["checkpoint"] == name
    # Kept loading: a model scores other inputs without its checkpoint.
    gone = BertLyrics.from_stored({"checkpoint": "/nowhere/bert"}, {})
    assert "names /nowhere/bert, which isn't there" in gone.gone_paths()[0]
