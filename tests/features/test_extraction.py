"""Extraction: resumable, the same bytes whatever the jobs, and never ended by one bad track."""

from __future__ import annotations

import csv
import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from toys import Other, Toy, Whole, make_corpus

from deephits_keras.corpus.importing import import_table
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import registry
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.features.shards import store_folder
from deephits_keras.features.store import FeatureStore
from deephits_keras.recipes.choices import choose


def extract(corpus, encoder=None, **options):
    return extract_features(corpus, encoder or Toy(), **{"jobs": 1, "shard_size": 4} | options)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def written(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("part-*")}


def rejected(summary):
    with summary.rejected.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The toys as a distribution of their own, found by its entry points."""
    info = tmp_path / "site" / "toys-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[deephits_keras.encoders]\ntoy = toys:Toy\nother = toys:Other\n"
    )
    monkeypatch.syspath_prepend(str(info.parent))
    registry.cache_clear()
    yield
    registry.cache_clear()


# === What a run gives ===


def test_counts_what_came_of_every_track(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 10, {2: "lacking", 5: "bad", 6: "lacking"})
    summary = extract(corpus)
    assert (summary.modality, summary.encoder) == ("sound", "toy")
    assert (summary.tracks, summary.present, summary.missing, summary.failed) == (10, 7, 2, 1)
    assert summary.extracted == 10
    assert rejected(summary) == [
        {"track_id": "t5", "row": "5", "reason": "its recording is only noise"}
    ]


def test_stores_are_the_same_bytes_whatever_the_jobs(tmp_path):
    behaviour = {2: "lacking", 5: "bad", 9: "crash"}
    stores = []
    for jobs in (1, 2):
        corpus = make_corpus(tmp_path / f"jobs{jobs}", 18, behaviour)
        extract(corpus, jobs=jobs)
        stores.append(contents(store_folder(corpus, Toy())))
    assert len(stores[0]) == 5 * 3 + 2
    assert stores[0] == stores[1]


def test_no_partial_files_are_left(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6)
    extract(corpus)
    assert not [n for n in contents(store_folder(corpus, Toy())) if n.startswith(".")]


# === A second run ===


def test_a_second_run_extracts_nothing(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 10, {5: "bad"})
    extract(corpus)
    before = written(store_folder(corpus, Toy()))
    again = extract(corpus, shard_size=3)  # the store keeps its own shard size
    assert (again.extracted, again.present, again.failed) == (0, 9, 1)
    assert written(store_folder(corpus, Toy())) == before


@pytest.mark.parametrize("lost", ["part-00001.json", "part-00001.wave.npy"])
def test_a_second_run_extracts_only_the_shard_that_is_gone(tmp_path, lost):
    corpus = make_corpus(tmp_path / "corpus", 10)
    extract(corpus)
    folder = store_folder(corpus, Toy())
    before, whole = written(folder), contents(folder)
    (folder / lost).unlink()
    assert extract(corpus).extracted == 4
    after = written(folder)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"part-00001.{kind}" for kind in ("json", "wave.npy", "count.npy")}
    assert contents(folder) == whole


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("part-00002.count.npy", b"\x09\x00", b"\x08\x00"),
        ("part-00002.json", b'"t9"', b'"t8"'),
        ("part-00002.json", b"{", b"<"),
        ("store.json", b"{", b"<"),
    ],
)
def test_a_second_run_mends_a_flipped_byte(tmp_path, name, old, new):
    corpus = make_corpus(tmp_path / "corpus", 10)
    extract(corpus)
    folder = store_folder(corpus, Toy())
    whole = contents(folder)
    assert old in whole[name]
    (folder / name).write_bytes(whole[name].replace(old, new, 1))
    assert extract(corpus).extracted == (0 if name == "store.json" else 2)
    assert contents(folder) == whole


def test_a_corpus_imported_again_is_extracted_where_it_changed(tmp_path):
    extract(make_corpus(tmp_path / "corpus", 10))
    changed = make_corpus(tmp_path / "corpus", 11, {2: "lacking"})
    assert extract(changed).extracted == 4 + 3  # the first shard and the last
    features, present = FeatureStore.open(changed, Toy()).gather(range(11))
    assert present.tolist() == [row != 2 for row in range(11)]
    assert features["count"][10].tolist() == [11, -11]


def test_a_replaced_recording_is_extracted_again(tmp_path):
    audio = {row: str(tmp_path / f"{row}.mp3") for row in range(6)}
    for path in audio.values():
        Path(path).write_bytes(b"x" * 10)
    corpus = make_corpus(tmp_path / "corpus", 6, audio=audio)
    extract(corpus)
    Path(audio[1]).write_bytes(b"x" * 11)
    assert extract(corpus).extracted == 4


def test_a_corpus_that_moved_keeps_its_features(tmp_path):
    extract(make_corpus(tmp_path / "corpus", 6))
    shutil.move(tmp_path / "corpus", tmp_path / "moved")
    assert extract(Corpus.open(tmp_path / "moved")).extracted == 0


def test_failed_tracks_are_tried_again_on_request(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 10, {5: "bad"})
    extract(corpus)
    assert extract(corpus, retry_failed=True).extracted == 4


def test_another_setting_is_another_store(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6)
    doubled = Toy.from_config({"scale": 2})
    assert extract(corpus).extracted == extract(corpus, doubled).extracted == 6
    assert FeatureStore.open(corpus, Toy()).gather([2])[0]["wave"].max() == 3
    assert FeatureStore.open(corpus, doubled).gather([2])[0]["wave"].max() == 6


# === What goes wrong ===


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("crash", "toy raised RuntimeError: the toy broke"),
        ("shape", r"toy: feature 'wave' is float16 (2, 3), not float16 (4, 3)"),
        ("dtype", r"toy: feature 'wave' is float64 (4, 3), not float16 (4, 3)"),
        ("list", "toy: feature 'wave' is list, not an array"),
        ("names", "toy gave the features ['wave'], not ['count', 'wave']"),
    ],
)
def test_one_bad_track_is_recorded_and_the_others_go_on(tmp_path, behaviour, reason):
    corpus = make_corpus(tmp_path / "corpus", 10, {1: behaviour})
    summary = extract(corpus)
    assert (summary.present, summary.failed) == (9, 1)
    assert rejected(summary) == [{"track_id": "t1", "row": "1", "reason": reason}]
    _, present = FeatureStore.open(corpus, Toy()).gather(range(10))
    assert present.tolist() == [row != 1 for row in range(10)]


def test_a_batch_that_breaks_is_tried_track_by_track(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 8, {1: "bad", 2: "crash"})
    summary = extract(corpus, Whole())
    assert [r["track_id"] for r in rejected(summary)] == ["t1", "t2"]
    features, present = FeatureStore.open(corpus, Whole()).gather(range(8))
    assert features["count"][:, 0].tolist() == [2, 0, 0, 8, 10, 12, 14, 16]
    assert present.sum() == 6


def test_an_encoder_that_isnt_parallel_stays_in_this_process(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 8)
    encoder = Whole()
    encoder.lock = threading.Lock()  # which can't be sent to another process
    assert extract(corpus, encoder, jobs=2).present == 8


def test_a_modality_that_every_track_lacks_takes_no_space(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6, dict.fromkeys(range(6), "lacking"))
    summary = extract(corpus)
    assert (summary.present, summary.missing, summary.failed) == (0, 6, 0)
    assert not list(summary.rejected.parent.glob("*.npy"))
    features, present = FeatureStore.open(corpus, Toy()).gather([0, 5])
    assert not present.any()
    assert not features["wave"].any()


def test_it_is_an_error_if_every_track_fails(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6, dict.fromkeys(range(1, 6), "bad") | {0: "lacking"})
    with pytest.raises(
        DeepHitsError, match=r"none of the 5 tracks.*Track t1: its recording is only.*rejected\.csv"
    ):
        extract(corpus)


def test_wrong_settings_end_the_run_at_once(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6, {3: "settings"})
    with pytest.raises(UserError, match="needs batteries"):
        extract(corpus, jobs=2)


def test_a_killed_worker_is_reported_and_the_rest_is_kept(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 12, {11: "killed"})
    with pytest.raises(DeepHitsError, match=r"killed while toy extracted.*fewer --jobs"):
        extract(corpus, jobs=2, encoder=Toy.from_config({"seconds": 0.05}))
    assert not (store_folder(corpus, Toy()) / "part-00002.json").exists()
    mended = make_corpus(tmp_path / "corpus", 12)
    assert extract(mended).extracted < 12


@pytest.mark.parametrize("encoder", [Toy, Whole])
def test_too_little_memory_is_no_fault_of_the_track(tmp_path, encoder):
    corpus = make_corpus(tmp_path / "corpus", 12, {9: "memory"})
    told = rf"{encoder.name} ran out of memory at track t9: .*fewer --jobs"
    with pytest.raises(DeepHitsError, match=told):
        extract(corpus, encoder(), jobs=2)
    mended = make_corpus(tmp_path / "corpus", 12)
    assert extract(mended, encoder()).extracted in (4, 8)  # or the other worker was stopped


def test_a_full_disk_is_reported(tmp_path):
    """A limit on the size of files stands in for a full disk: writing fails in the same place."""
    corpus = make_corpus(tmp_path / "corpus", 600)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(DeepHitsError, match=r"Can't write to .*free some space"):
            extract(corpus, shard_size=600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = store_folder(corpus, Toy())
    assert {p.name for p in folder.iterdir()} == {"store.json"}


def test_a_store_that_cant_be_written_to_is_the_users_mistake(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 6)
    corpus.features_folder.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="Can't write to"):
        extract(corpus)


def test_no_jobs_are_refused(tmp_path):
    with pytest.raises(UserError, match="Received: 0"):
        extract(make_corpus(tmp_path / "corpus", 6), jobs=0)


def test_features_must_be_numbers(tmp_path):
    from deephits_keras.encoders.features import FeatureSpec

    class Texts(Toy):
        feature_specs = (FeatureSpec("words", (2,), "object"),)

    with pytest.raises(UserError, match="'words' must be of a NumPy dtype of numbers"):
        extract(make_corpus(tmp_path / "corpus", 6), Texts())


def extract_elsewhere(corpus, *, jobs, seconds):
    """Start an extraction in a process of its own."""
    program = (
        "import sys, pathlib, signal; sys.path.insert(0, sys.argv[1])\n"
        # A shell starts what it runs in the background with SIGINT ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from toys import Corpus, Toy\n"
        "from deephits_keras.features.extraction import extract_features\n"
        "corpus = Corpus.open(pathlib.Path(sys.argv[2]))\n"
        "toy = Toy.from_config({'seconds': float(sys.argv[4])})\n"
        "extract_features(corpus, toy, jobs=int(sys.argv[3]), shard_size=4)\n"
    )
    helpers = Path(__file__).parents[1] / "helpers"
    words = [str(word) for word in (helpers, corpus.folder, jobs, seconds)]
    return subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.DEVNULL)


def test_two_processes_extract_one_corpus_to_the_same_store(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 20)
    together = [extract_elsewhere(corpus, jobs=1, seconds=0.02) for _ in range(2)]
    assert [child.wait(timeout=60) for child in together] == [0, 0]
    alone = make_corpus(tmp_path / "alone", 20)
    extract(alone)
    assert contents(store_folder(corpus, Toy())) == contents(store_folder(alone, Toy()))


def test_interrupted_it_keeps_what_is_complete(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 24)
    child = extract_elsewhere(corpus, jobs=2, seconds=0.5)
    folder = store_folder(corpus, Toy())
    deadline = time.monotonic() + 60
    while not list(folder.glob("part-*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) != 0
    complete = len(list(folder.glob("part-*.json")))
    assert 1 <= complete < 6
    assert extract(corpus).extracted == 24 - 4 * complete
    assert FeatureStore.open(corpus, Toy()).present.all()


def test_a_worker_killed_from_outside_loses_nothing(tmp_path):
    """As the kernel ends a process when memory runs out."""
    alone = make_corpus(tmp_path / "alone", 40)
    extract(alone)
    corpus = make_corpus(tmp_path / "corpus", 40)
    child = extract_elsewhere(corpus, jobs=2, seconds=0.3)
    folder = store_folder(corpus, Toy())
    while child.poll() is None and not list(folder.glob("part-*.json")):
        time.sleep(0.02)
    workers = [p for p in psutil.Process(child.pid).children() if "LokyProcess" in str(p.cmdline())]
    workers[0].kill()
    assert child.wait(timeout=60) != 0
    assert 1 <= len(list(folder.glob("part-*.json"))) < 10
    assert extract(corpus).present == 40
    assert contents(folder) == contents(store_folder(alone, Toy()))


# === The encoders to use, and the command ===


def test_settings_given_win_over_the_corpuss(tmp_path, installed):
    corpus = make_corpus(tmp_path / "corpus", 6, settings={"toy": {"scale": 3, "seconds": 0.5}})
    asked = corpus_encoders(corpus, "sound", {})["sound"].get_config()
    assert asked == {"scale": 3.0, "seconds": 0.5}
    for owner in ("sound", "toy"):
        given = corpus_encoders(corpus, "sound", {owner: {"scale": "7"}})["sound"].get_config()
        assert given == {"scale": 7.0, "seconds": 0.5}


def test_without_names_the_default_encoders_are_used(tmp_path, installed, monkeypatch):
    corpus = make_corpus(tmp_path / "corpus", 6)
    assert not {"sound", "text"} & set(corpus_encoders(corpus, None, {}))
    monkeypatch.setattr(Toy, "default", True)
    assert {"sound", "text"} <= set(corpus_encoders(corpus, None, {}))


def test_the_command_extracts_and_tells(tmp_path, installed, deephits):
    corpus = make_corpus(tmp_path / "corpus", 6, {1: "bad"}, other_missing=range(6))
    outcome = deephits(
        "extract", corpus.folder, "--modalities", "sound,text", "--sound-scale=2", "--jobs", 1
    )
    assert outcome.code == 0
    assert "sound: 1 failed, see" in outcome.out
    assert "No track of this corpus has the modality text" in outcome.out
    doubled = FeatureStore.open(corpus, Toy.from_config({"scale": 2}))
    assert doubled.gather([2])[0]["wave"].max() == 6

    outcome = deephits(
        "extract", corpus.folder, "--modalities", "sound", "--sound-scale", 2, "--json"
    )
    assert outcome.code == 0
    [summary] = json.loads(outcome.out)
    assert summary["encoder"] == "toy"
    assert (summary["present"], summary["failed"], summary["extracted"]) == (5, 1, 0)


def test_the_command_tells_of_an_unusable_modality_and_does_the_others(
    tmp_path, installed, deephits
):
    corpus = make_corpus(tmp_path / "corpus", 6, dict.fromkeys(range(6), "bad"))
    outcome = deephits("extract", corpus.folder, "--modalities", "sound,text", "--jobs", 1)
    assert outcome.code == 1
    assert "toy could use none of the 6 tracks" in outcome.err
    assert FeatureStore.open(corpus, Other()).present.all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--modalities", "smell"], "No encoder serves the modality 'smell'"),
        (["--modalities", "sound", "--sound-scale", "loud"], "scale must be a number"),
    ],
)
def test_the_command_refuses_what_cant_be_right(tmp_path, installed, deephits, words, told):
    corpus = make_corpus(tmp_path / "corpus", 6)
    outcome = deephits("extract", corpus.folder, *words)
    assert outcome.code == 2
    assert told in outcome.err


def test_the_command_refuses_a_folder_that_isnt_a_corpus(tmp_path, deephits):
    assert deephits("extract", tmp_path).code == 2
    assert not list(tmp_path.iterdir())


def test_columns_that_were_named_and_are_not_there_are_refused(tmp_path):
    (tmp_path / "songs.csv").write_text("track_id,popularity,tempo,plays\na,1,99,7\n")
    corpus = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus

    def chosen(settings):
        return choose("paper", modalities="meta", settings=settings).encoders(corpus)

    with pytest.raises(UserError, match=r"no column 'tempoo' \(did you mean tempo\?\)"):
        chosen({"meta": {"columns": "tempo,tempoo"}})
    with pytest.raises(UserError, match="numeric, columns: the corpus has no column 'weeks'"):
        chosen({"numeric": {"columns": ("plays", "weeks")}})
    # A standard column may be empty, as the same settings serve many corpora.
    chosen({"meta": {"columns": "tempo,energy"}})
    # What a recipe reads may be absent: nobody typed it.
    choose("hitmusicnet", modalities="meta").encoders(corpus)
