"""The feature store: gathering by row, and telling whole from damaged, stale or absent shards."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
from toys import Toy, make_corpus

from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.shards import digest_of, store_folder
from deephits_keras.features.store import FeatureStore
from deephits_keras.verification import verify


@pytest.fixture
def corpus(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 23, {3: "lacking", 10: "bad"})
    extract_features(corpus, Toy(), jobs=1, shard_size=8)
    return corpus


def test_gathers_rows_in_the_order_asked_for(corpus):
    store = FeatureStore.open(corpus, Toy())
    rows = [22, 0, 8, 7, 8]
    features, present = store.gather(rows)
    assert features["wave"].dtype == np.float16
    assert features["wave"].shape == (5, 4, 3)
    assert features["wave"][:, 0, 0].tolist() == [23, 1, 9, 8, 9]
    assert features["count"].dtype == np.int16
    assert features["count"].tolist() == [[23, -23], [1, -1], [9, -9], [8, -8], [9, -9]]
    assert present.all()


def test_missing_and_failed_rows_are_zeros_and_absent(corpus):
    store = FeatureStore.open(corpus, Toy())
    features, present = store.gather([2, 3, 10, 11])
    assert present.tolist() == [True, False, False, True]
    assert not features["wave"][1:3].any()
    assert features["wave"][[0, 3], 0, 0].tolist() == [3, 12]
    assert store.present.sum() == 21


def test_gathers_only_where_asked(corpus):
    store = FeatureStore.open(corpus, Toy())
    features, present = store.gather([2, 3, 4], where=np.array([False, True, True]))
    assert present.tolist() == [False, False, True]
    assert features["wave"][:, 0, 0].tolist() == [0, 0, 5]


def test_gathers_no_rows(corpus):
    features, present = FeatureStore.open(corpus, Toy()).gather([])
    assert features["wave"].shape == (0, 4, 3)
    assert present.shape == (0,)


def test_a_shard_is_mapped_without_parsing_python(corpus):
    # Beside TensorFlow's tracing, which parses functions in another thread, parsing fails in
    # Python up to 3.11.7.
    parsed = []
    sys.addaudithook(lambda event, args: parsed.append(args) if event == "compile" else None)
    store = FeatureStore.open(corpus, Toy())
    opened = len(parsed)
    store.gather(range(23))
    assert len(parsed) == opened


@pytest.mark.parametrize("row", [-1, 23])
def test_refuses_rows_that_the_corpus_lacks(corpus, row):
    with pytest.raises(IndexError, match="from 0 to 22"):
        FeatureStore.open(corpus, Toy()).gather([row])


def test_other_tools_can_read_a_shard(corpus):
    shard = np.load(store_folder(corpus, Toy()) / "part-00002.wave.npy", allow_pickle=False)
    assert shard.shape == (7, 4, 3)
    assert shard[:, 0, 0].tolist() == list(range(17, 24))


@pytest.mark.parametrize("name", ["part-00001.wave.npy", "part-00001.count.npy", "part-00001.json"])
def test_a_flipped_byte_is_found_and_its_file_named(corpus, name):
    path = store_folder(corpus, Toy()) / name
    flip_byte(path)
    with pytest.raises(DeepHitsError, match=f"{name}.*deephits extract"):
        FeatureStore.open(corpus, Toy())


def flip_byte(path):
    """Change one character: of the last rows in an array, of a track's id in a sidecar."""
    content = bytearray(path.read_bytes())
    place = content.index(b"t12") + 1 if path.suffix == ".json" else len(content) - 3
    content[place] ^= 1
    path.write_bytes(content)


def test_a_truncated_file_is_found(corpus):
    path = store_folder(corpus, Toy()) / "part-00000.count.npy"
    os.truncate(path, 100)
    with pytest.raises(DeepHitsError, match=r"part-00000\.count\.npy is damaged"):
        FeatureStore.open(corpus, Toy())


def test_a_lost_file_is_found(corpus):
    (store_folder(corpus, Toy()) / "part-00000.count.npy").unlink()
    with pytest.raises(DeepHitsError, match=r"part-00000\.count\.npy can't be read"):
        FeatureStore.open(corpus, Toy())


def test_a_shard_without_sidecar_is_not_there(corpus):
    (store_folder(corpus, Toy()) / "part-00002.json").unlink()
    with pytest.raises(UserError, match=r"part-00002\.json is missing.*deephits extract"):
        FeatureStore.open(corpus, Toy())


def test_features_never_extracted_are_asked_for(corpus):
    other = Toy.from_config({"scale": 2.0})
    with pytest.raises(UserError, match="no features of toy with these settings"):
        FeatureStore.open(corpus, other)


def test_settings_that_dont_change_features_share_a_store(corpus):
    store = FeatureStore.open(corpus, Toy.from_config({"seconds": 1.0}))
    assert len(store) == 23


@pytest.mark.parametrize("tracks", [22, 24])
def test_a_corpus_imported_again_with_other_tracks_is_found(corpus, tracks):
    corpus = make_corpus(corpus.folder, tracks)
    with pytest.raises(UserError, match=f"are of 23 tracks, the corpus has {tracks}"):
        FeatureStore.open(corpus, Toy())


def test_a_corpus_imported_again_in_another_order_is_found(corpus):
    corpus = make_corpus(corpus.folder, 23, reverse=True)
    with pytest.raises(UserError, match="imported again"):
        FeatureStore.open(corpus, Toy())


def test_a_store_of_another_format_is_refused(corpus):
    path = store_folder(corpus, Toy()) / "store.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(UserError, match="format 99"):
        FeatureStore.open(corpus, Toy())


def test_a_store_of_version_0_1_is_not_misread_but_extracted_anew(corpus):
    """Its shards depended on whole rows of the table, and recordings counted by name and size."""
    folder = store_folder(corpus, Toy())
    layout = json.loads((folder / "store.json").read_text())
    del layout["inputs"]
    (folder / "store.json").write_text(json.dumps(layout | {"format": 1}))
    for path in folder.glob("part-*.json"):
        record = json.loads(path.read_text())
        del record["sources"], record["sha256"]
        path.write_text(json.dumps(record | {"sha256": digest_of(record)}))
    with pytest.raises(UserError, match=r"earlier version .* run `deephits extract"):
        FeatureStore.open(corpus, Toy())
    [finding] = [f for f in verify(corpus.folder).findings if "/toy/" in f.file]
    assert finding.state == "unfinished"
    assert extract_features(corpus, Toy(), jobs=1).extracted == len(corpus)
    assert FeatureStore.open(corpus, Toy()).present.any()
