"""The description of a model: its total and its way through JSON."""

import json

import pytest

from deephits_keras.errors import UserError
from deephits_keras.model.architecture import Architecture, Branch, LayerRow, Part
from deephits_keras.utils.records import from_plain, to_plain

PAPER = Architecture(
    task="tiers-10",
    fusion="early",
    branches=(
        Branch("mel", "mel_cnn", {"mel": (128, 1292)}, 64, 92_736, ()),
        Branch("lyrics", "bert_lyrics", {"pooled": (768,)}, 256, 262_656, ()),
        Branch("meta", "numeric", {"values": (26,)}, 64, 5_888, ()),
    ),
    missing_embeddings=0,
    fusion_part=Part("early fusion", 64, 115_008, (LayerRow("fusion_1", "Dense", (256,), 98_560),)),
    output=Part("output", 10, 650, ()),
)


def test_total_is_that_of_table_a1():
    assert PAPER.total == 476_938


def test_total_counts_the_embeddings_of_missing_inputs():
    learned = Architecture(**{**vars(PAPER), "missing_embeddings": 384})
    assert learned.total == 476_938 + 384


def test_json_gives_an_equal_description_back():
    assert from_plain(json.loads(json.dumps(PAPER, default=to_plain)), Architecture, "it") == PAPER


@pytest.mark.parametrize(
    "values",
    [{}, [], {**vars(PAPER), "branches": [{"modality": "mel"}]}, {"unknown": 1}],
    ids=["empty", "a list", "half a branch", "another thing"],
)
def test_what_is_no_description_is_refused(values):
    with pytest.raises(UserError, match="it: "):
        from_plain(values, Architecture, "it")
