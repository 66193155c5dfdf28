"""A run folder from a stranger is refused before anything in it can act."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from deephits_keras.encoders.registry import registry

Deephits = Callable[..., Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from deephits_keras.cli import main
    from deephits_keras.corpus import import_table

    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(40)]})
    table["popularity"], table["tempo"] = rng.integers(0, 101, 40), rng.normal(120, 9, 40)
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    words = f"train {folder / 'corpus'} {folder / 'run'} --modalities meta --task tiers-3"
    words += " --recipe paper"
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--epochs", "1", "--batch-size", "8", "--jobs", "1"])
    assert not stop.value.code
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def read(run: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(run / "model.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(run: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(run / "model.keras", "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_model(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    members = read(run)
    config = json.loads(members["config.json"])
    change(config)
    write(run, members | {"config.json": json.dumps(config).encode()})


def change_config(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))


def refused(deephits: Deephits, run: Path, told: str) -> None:
    outcome = deephits("predict", run, "--set", "tempo=120")
    assert outcome.code == 2, outcome.err
    assert told in outcome.err


def test_the_run_is_good_before_it_is_spoiled(run: Path, deephits: Deephits) -> None:
    write(run, read(run))
    assert deephits("predict", run, "--set", "tempo=120").code == 0


def lambda_layer(code: bytes = b"0") -> dict[str, Any]:
    function = {"class_name": "__lambda__", "config": {"code": code.decode()}}
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "config": {"name": "fusion_1", "function": function},
    }


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (lambda_layer(), "keras.layers.Lambda"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}}, "TFSMLayer"),
        (
            {
                "module": "keras.layers",
                "class_name": "StringLookup",
                "config": {"vocabulary": "/etc/passwd"},
            },
            "StringLookup",
        ),
        ({"module": "os", "class_name": "system", "config": "touch acted"}, "os.system"),
    ],
)
def test_a_layer_that_the_model_is_not_made_of_is_refused(
    run: Path, deephits: Deephits, layer: dict[str, Any], told: str
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"].append(layer)

    change_model(run, change)
    refused(deephits, run, told)


def test_a_loss_of_a_checkpoint_is_looked_at_too(run: Path, deephits: Deephits) -> None:
    def change(config: dict[str, Any]) -> None:
        config["compile_config"] = {"loss": {"module": "os", "class_name": "system", "config": {}}}

    change_model(run, change)
    refused(deephits, run, "os.system")


def units(config: dict[str, Any]) -> None:
    for layer in config["config"]["layers"]:
        if layer["config"]["name"] == "fusion_1":
            layer["config"]["units"] = 10**10


def test_a_model_of_another_size_is_refused_before_it_takes_memory(
    run: Path, deephits: Deephits
) -> None:
    change_model(run, units)
    refused(deephits, run, "model.keras")


def test_settings_of_huge_layers_are_refused_before_they_take_memory(
    run: Path, deephits: Deephits
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["modalities"]["meta"]["config"]["units"] = 10**10

    change_config(run, change)
    refused(deephits, run, "The model is too large")


def test_features_of_a_huge_shape_are_refused(run: Path, deephits: Deephits) -> None:
    def change(config: dict[str, Any]) -> None:
        config["modalities"]["mel"] = config["modalities"].pop("meta") | {
            "encoder": "mel_cnn",
            "version": registry().load("mel_cnn").version,
            "config": {"frames": 2**17, "mel_bands": 2**12},
        }

    change_config(run, change)
    refused(deephits, run, "are too large")


def test_a_run_makes_nothing_download(run: Path, deephits: Deephits) -> None:
    def change(config: dict[str, Any]) -> None:
        config["modalities"]["lyrics"] = config["modalities"]["meta"] | {
            "encoder": "bert_lyrics",
            "config": {"checkpoint": "keras-hub:hf://stranger/bert"},
        }

    change_config(run, change)
    refused(deephits, run, "can't start a download")


def test_a_corpus_makes_nothing_download(
    finished: Path, tmp_path: Path, deephits: Deephits
) -> None:
    corpus = Path(shutil.copytree(finished.parent / "corpus", tmp_path / "corpus"))
    info = json.loads((corpus / "corpus.json").read_text())
    info["encoder_settings"] = {"bert_lyrics": {"checkpoint": "keras-hub:hf://stranger/bert"}}
    (corpus / "corpus.json").write_text(json.dumps(info))
    outcome = deephits("extract", corpus, "--modalities", "lyrics")
    assert (outcome.code, "can't start a download" in outcome.err) == (2, True)
    assert deephits("extract", corpus, "--modalities", "meta").code == 0


class Acts:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_read(run: Path, tmp_path: Path, deephits: Deephits) -> None:
    trap = tmp_path / "acted"
    whole = read(run)
    (run / "model.keras").write_bytes(pickle.dumps(Acts(trap)))
    refused(deephits, run, "not a Keras archive")
    array = io.BytesIO()
    savez: Any = np.savez
    savez(array, **{"layers/dense/vars/0": np.array([Acts(trap)], dtype=object)})
    members = {n: c for n, c in whole.items() if not n.endswith(".h5")}
    write(run, members | {"model.weights.npz": array.getvalue()})
    refused(deephits, run, "model.weights.npz")
    assert not trap.exists()


def test_a_pickled_array_in_a_store_is_never_read(finished: Path, tmp_path: Path) -> None:
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.errors import DeepHitsError
    from deephits_keras.features.extraction import corpus_encoders
    from deephits_keras.features.shards import ShardRecord
    from deephits_keras.features.store import FeatureStore
    from deephits_keras.utils.files import sha256

    trap = tmp_path / "acted"
    corpus = Corpus.open(Path(shutil.copytree(finished.parent / "corpus", tmp_path / "corpus")))
    [shard] = corpus.folder.rglob("part-00000.*.npy")
    np.save(shard, np.array([Acts(trap)] * 40, dtype=object), allow_pickle=True)
    record = ShardRecord.read(shard.parent, 0)
    assert record is not None
    record.files["fields"]["sha256"] = sha256(shard)
    record.write(shard.parent, 0)
    store = FeatureStore.open(corpus, corpus_encoders(corpus, "meta")["meta"])
    with pytest.raises(DeepHitsError, match="can't be read"):
        store.gather([0])
    assert not trap.exists()


@pytest.mark.parametrize("name", ["../escaped.txt", "/tmp/escaped.txt", "assets/../../x"])  # noqa: S108
def test_a_path_in_the_archive_that_leaves_it_is_refused(
    run: Path, deephits: Deephits, name: str
) -> None:
    write(run, read(run) | {name: b"escaped"})
    refused(deephits, run, "must hold")


def test_weights_in_another_file_are_refused(run: Path, tmp_path: Path, deephits: Deephits) -> None:
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    members = read(run)
    for spoil in (
        lambda file: file.create_dataset(
            "x", (8,), "f4", external=[(str(tmp_path / "secret"), 0, 32)]
        ),
        lambda file: file.__setitem__("x", h5py.ExternalLink(str(tmp_path / "secret"), "/")),
        lambda file: file.create_dataset("x", (2**40,), "f4", chunks=(1024,)),
    ):
        weights = io.BytesIO(members["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            spoil(file)
        write(run, members | {"model.weights.h5": weights.getvalue()})
        refused(deephits, run, "weights")


def test_an_archive_that_would_unpack_to_much_more_is_refused(
    run: Path, deephits: Deephits
) -> None:
    write(run, read(run), zipfile.ZIP_DEFLATED)
    refused(deephits, run, "is compressed")


@pytest.mark.parametrize("name", ["../../etc", "/etc/passwd", "mel_cnn/../../x"])
def test_a_path_in_the_place_of_a_name_leads_nowhere(
    run: Path, deephits: Deephits, name: str
) -> None:
    def encoder(config: dict[str, Any]) -> None:
        config["modalities"]["meta"]["encoder"] = name

    change_config(run, encoder)
    refused(deephits, run, "which isn't installed here")


def test_a_modality_that_is_a_path_leads_nowhere(run: Path, deephits: Deephits) -> None:
    def modality(config: dict[str, Any]) -> None:
        config["modalities"]["../x"] = config["modalities"].pop("meta")

    change_config(run, modality)
    refused(deephits, run, "modality")


def test_rows_that_the_corpus_lacks_are_refused(run: Path, deephits: Deephits) -> None:
    lines = pd.read_parquet(run / "split.parquet")
    lines.loc[0, "row"] = 10**9
    lines.to_parquet(run / "split.parquet", index=False)
    outcome = deephits("evaluate", run, "--part", "train")
    assert outcome.code == 2
    assert "not a split of a corpus of 40 tracks" in outcome.err


@pytest.mark.parametrize("name", [[], {"early": 1}, None, 7])
def test_a_fusion_that_is_not_named_is_refused(run: Path, deephits: Deephits, name: Any) -> None:
    def change(config: dict[str, Any]) -> None:
        config["fusion"]["name"] = name

    change_config(run, change)
    refused(deephits, run, "There is no fusion named")
