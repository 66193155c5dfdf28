"""Tables and corpora are answered in order: by any number of workers, and after an interruption."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from deephits_plugins.low_level import LowLevel
from deephits_plugins.lyrics_lstm import LyricsLSTM
from deephits_plugins.mel_cnn import MelCNN
from deephits_plugins.numeric import Numeric
from plain_model import PlainModel
from toys import Declared, Other, Toy, Whole, make_corpus

from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.prediction.embedding import BareEncoder, EmbeddingPlan
from deephits_keras.prediction.tables import TrackTable
from deephits_keras.prediction.workflow import PredictionPlan, plan_prediction, predict

ROWS = 300
FAULTS = {3: "bad", 70: "lacking", 71: "crash", 200: "shape"}


def write_table(path: Path, behaviour: dict[int, str], rows: int = ROWS) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["track_id", "title", "artist_name", "level", "behaviour", "tempo"])
        for row in range(rows):
            tempo = "fast" if row == 90 else 100
            cells = [f"t{row}", f"Song, {row}", "A", row + 1, behaviour.get(row, ""), tempo]
            table.writerow([""] * 6 if row == 150 else cells)
    return path


@pytest.fixture
def model(tmp_path: Path) -> PlainModel:
    return PlainModel({"sound": Toy(), "text": Other()}, tmp_path / "model")


def plan(model: PlainModel, table: Path, **more: Any) -> PredictionPlan:
    return plan_prediction([model], table=table, **more)


def test_the_model_is_loaded_after_workers_have_begun(model: PlainModel, tmp_path: Path) -> None:
    table, marks = write_table(tmp_path / "songs.csv", {}), tmp_path / "marks"
    done = dataclasses.replace(plan(model, table, jobs=2), prepare=marks.mkdir)
    assert done.extracts_without_keras
    whole = PlainModel({"sound": Whole()}, tmp_path / "whole")
    assert not plan(whole, table, jobs=2).extracts_without_keras
    assert [predictor.run for predictor in done.predictors] == [model]
    assert not marks.exists()
    assert done.write(tmp_path / "out.csv") == (ROWS, "")
    assert marks.exists()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_workers_change_no_byte(model: PlainModel, tmp_path: Path, ending: str) -> None:
    table = write_table(tmp_path / "songs.csv", FAULTS)
    alone, together = (tmp_path / f"{jobs}.{ending}" for jobs in (1, 2))
    plan(model, table, jobs=1).write(alone)
    batches: list[int] = []
    model.before = batches.append
    assert plan(model, table, jobs=2).write(together) == (ROWS, "")
    assert alone.read_bytes() == together.read_bytes()
    assert max(batches) == 64
    assert sorted(p.name for p in tmp_path.iterdir() if "partial" in p.name) == []

    if ending == "parquet":
        rows = pq.read_table(together).to_pylist()
        assert {type(r["popularity"]) for r in rows} == {float, type(None)}
    elif ending == "csv":
        rows = list(csv.DictReader(together.open(newline="")))
    else:
        rows = [json.loads(line) for line in together.open()]
        assert rows[0]["scores"].keys() == {"0-25", "25-65", "65-100"}
        return
    assert [r["track_id"] for r in rows][88:92] == ["t88", "t89", "t90", "t91"]
    assert rows[3]["warnings"] == "sound can't be used: its recording is only noise"
    assert rows[70]["missing"] == "sound"
    assert "toy raised RuntimeError: the toy broke" in rows[71]["warnings"]
    assert rows[90]["warnings"] == "rejected: tempo is not a number from 10 to 1000: fast"
    assert rows[150]["track_id"] == "row 150"
    assert (rows[5]["title"], rows[5]["artist"]) == ("Song, 5", "A")


def test_a_worker_that_dies_costs_its_track_alone(model: PlainModel, tmp_path: Path) -> None:
    sound = write_table(tmp_path / "sound.csv", {130: "lacking", 140: "lacking"})
    fatal = write_table(tmp_path / "fatal.csv", {130: "killed", 140: "memory"})
    expected = predict(model, table=sound, jobs=1)
    found = predict(model, table=fatal, jobs=2)
    assert len(found) == ROWS
    for row in (130, 140):
        assert found[row].popularity is None
        assert "a worker process died of it" in found[row].warnings[0]
    others = [row for row in range(ROWS) if row not in (130, 140)]
    assert [found[row] for row in others] == [expected[row] for row in others]


class Stop(BaseException):
    """What ends a process, as seen by its code."""


def test_interrupted_work_goes_on_after_its_last_part(model: PlainModel, tmp_path: Path) -> None:
    table = write_table(tmp_path / "songs.csv", FAULTS)
    out, whole = tmp_path / "scores.parquet", tmp_path / "whole.parquet"
    plan(model, table, jobs=1).write(whole)
    done: list[int] = []

    def stop_at_the_fourth(rows: int) -> None:
        if len(done) == 3:
            raise Stop
        done.append(rows)

    model.before = stop_at_the_fourth
    with pytest.raises(Stop):
        plan(model, table, jobs=1).write(out)
    assert not out.exists()
    parts = tmp_path / "scores.parquet.partial"
    assert sorted(p.name for p in parts.glob("part*")) == ["part-000000.parquet"]

    again: list[int] = []
    model.before = again.append
    assert plan(model, table, jobs=2).write(out) == (ROWS, "")
    assert len(again) == len(range(128, ROWS, 64))
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_parts_of_other_songs_are_not_continued(model: PlainModel, tmp_path: Path) -> None:
    table, out = write_table(tmp_path / "songs.csv", FAULTS), tmp_path / "scores.csv"
    for change in (
        lambda: write_table(table, {}),
        lambda: (model.folder / "checksums.json").write_text('{"model.keras": "other"}'),
        lambda: model.encoders.update(sound=Toy.from_config({"scale": 2.0})),
    ):
        interrupt(model, table, out)
        change()
        model.before = lambda _: None
        count, note = plan(model, table, jobs=1).write(out)
        assert count == ROWS
        assert "begun anew" in note
    before = [p for p in tmp_path.iterdir() if p.name != out.name]
    (tmp_path / "scores.csv.partial").mkdir()
    (tmp_path / "scores.csv.partial" / "thesis.tex").touch()
    with pytest.raises(UserError, match="no parts of results: move it"):
        plan(model, table).write(out)
    assert (tmp_path / "scores.csv.partial" / "thesis.tex").exists()
    assert before


def test_what_fails_before_its_first_part_leaves_nothing(tmp_path: Path) -> None:
    model = PlainModel({"sound": Toy()}, tmp_path / "model")
    table, out = write_table(tmp_path / "songs.csv", {}, 70), tmp_path / "scores.csv"
    before = sorted(tmp_path.iterdir())

    def stop(_: int) -> None:
        raise Stop

    model.before = stop
    with pytest.raises(Stop):
        plan(model, table, jobs=1).write(out)
    assert sorted(tmp_path.iterdir()) == before


def test_the_table_is_never_replaced(tmp_path: Path) -> None:
    model = PlainModel({"sound": Toy()}, tmp_path / "model")
    table = write_table(tmp_path / "songs.csv", {}, 5)
    before = table.read_bytes()
    link, folder = tmp_path / "link.csv", tmp_path / "parts"
    link.symlink_to(table)
    folder.mkdir()
    pd.read_csv(table).to_parquet(folder / "part-0.parquet")
    for source, out, told in (
        (table, table, "would replace the table"),
        (table, link, "would replace the table"),
        (folder, folder / "scores.parquet", "lies in the folder of the table"),
    ):
        with pytest.raises(UserError, match=told):
            plan(model, source).write(out)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        plan(model, table).write(tmp_path / "folder.csv")
    assert table.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["part-0.parquet"]
    assert not list(tmp_path.glob("*.partial"))


def test_a_file_that_another_process_wrote_meanwhile_is_never_half(tmp_path: Path) -> None:
    model = PlainModel({"sound": Toy()}, tmp_path / "model")
    table, out = write_table(tmp_path / "songs.csv", {}), tmp_path / "scores.csv"
    plan(model, table, jobs=1).write(out)
    whole = out.read_bytes()
    parts = tmp_path / "scores.csv.partial"

    def finish_elsewhere(_: int) -> None:
        # The other one has all parts, joins and removes them.
        if (parts / "part-000000.csv").exists():
            shutil.rmtree(parts)

    model.before = finish_elsewhere
    with pytest.raises(UserError, match=r"part-000000\.csv is gone.*scores\.csv at the same time"):
        plan(model, table, jobs=1).write(out)
    assert out.read_bytes() == whole


def interrupt(model: PlainModel, table: Path, out: Path) -> None:
    calls: Iterator[int] = iter(range(3))

    def stop(_: int) -> None:
        if next(calls, None) is None:
            raise Stop

    model.before = stop
    with pytest.raises(Stop):
        plan(model, table, jobs=1).write(out)


def test_stored_features_answer_without_the_inputs(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 150, {3: "bad", 7: "lacking"}, other_missing=[9])
    model = PlainModel({"sound": Toy(), "text": Other()}, tmp_path / "model")
    with pytest.raises(UserError, match=r"run `deephits extract .*--modalities sound=toy,text=oth"):
        predict(model, corpus=corpus)
    for encoder in model.encoders.values():
        extract_features(corpus, encoder, jobs=1)
    table = tmp_path / "songs.parquet"
    fields = pd.DataFrame(
        {n: corpus.column(n) for n in ("track_id", "level", "behaviour", "other")}
    )
    fields.to_parquet(table)
    expected = predict(model, table=table, jobs=1)

    stored = predict(model, corpus=corpus.folder, out=tmp_path / "scores.csv")
    assert list(stored) == list(expected)
    assert stored[3].warnings == ("sound can't be used: its recording is only noise",)
    assert stored.notes == (
        "1 track lacks the input of sound",
        "1 tracks have no usable input of sound",
        "1 track lacks the input of text",
    )
    other = PlainModel({"sound": Toy.from_config({"scale": 3.0})}, tmp_path / "other")
    with pytest.raises(UserError, match=r"no features of toy.*--toy-scale 3\.0"):
        predict(other, corpus=corpus)


def test_an_unseen_field_is_hidden_from_encoders_that_read_files_too(tmp_path: Path) -> None:
    model = PlainModel({"sound": Declared()}, tmp_path / "model")
    corpus = make_corpus(tmp_path / "corpus", 6, {2: "lacking"})
    extract_features(corpus, Declared(), jobs=1)
    assert predict(model, corpus=corpus)[2].missing == ("sound",)
    model.unseen_columns = {"sound": ("behaviour",)}
    stored = predict(model, corpus=corpus)
    assert stored[2].missing == ()
    # A track's own extraction is the reference.
    asked = predict(model, corpus.tracks(range(6), Declared.inputs))
    assert [each.popularity for each in stored] == [each.popularity for each in asked]


def test_extraction_has_workers_after_a_prediction_by_workers(
    model: PlainModel, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "songs.csv", {3: "bad"}, rows=40)
    assert len(list(predict(model, table=table, jobs=2))) == 40
    corpus = make_corpus(tmp_path / "corpus", 20)
    assert extract_features(corpus, Toy(), jobs=2, shard_size=5).present == 20


def test_a_network_is_not_sent_to_workers(tmp_path: Path) -> None:
    model = PlainModel({"sound": Whole()}, tmp_path / "model")
    table = write_table(tmp_path / "songs.csv", {3: "bad"})
    assert list(predict(model, table=table, jobs=2)) == list(predict(model, table=table, jobs=1))


def test_an_encoder_alone_gives_its_features(tmp_path: Path) -> None:
    table = tmp_path / "songs.csv"
    table.write_text(
        "track_id,level,other,tempo\na,1,,90\nb,2,lacking,90\nc,3,,fast\n,,,\nd,4,,90\n"
    )
    out = tmp_path / "songs.parquet"
    plan = EmbeddingPlan.from_arguments([BareEncoder(Other())], table=table)
    assert plan.write(out) == (5, "")
    rows = pq.read_table(out).to_pylist()
    assert [row["text"] for row in rows] == [[-1.0] * 5, None, None, None, [-4.0] * 5]
    assert [row["missing"] for row in rows] == ["", "text", "", "", ""]
    assert [row["warnings"].partition(":")[0] for row in rows] == ["", "", *["rejected"] * 2, ""]
    assert pq.read_schema(out).field("text").type == pa.list_(pa.float32(), 5)
    with pytest.raises(UserError, match=r"ends in \.parquet"):
        plan.write(tmp_path / "songs.csv")


def test_a_file_that_a_row_names_and_that_is_not_there_is_told(tmp_path: Path) -> None:
    encoder = MelCNN.from_config({"sample_rate": 4000, "frames": 8})
    model = PlainModel({"mel": encoder}, tmp_path / "model")
    (tmp_path / "songs").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "songs" / "a.wav", noise, 4000)
    address = f"{'x' * 300}.mp3"
    table = tmp_path / "songs.csv"
    table.write_text(
        f"track_id,audio\na,a.wav\nb,https://cdn.example/b.mp3\nc,\nd,{address}\ne,a.wav\n"
    )
    found = predict(model, table=table, folders={"audio": tmp_path / "songs"}, jobs=1)
    nothing = "nothing to predict from: every input is missing"
    assert [each.missing for each in found] == [(), *[("mel",)] * 3, ()]
    told = [[w for w in each.warnings if w != nothing] for each in found]
    assert [len(each) for each in told] == [0, 1, 0, 1, 0]
    assert (told[1][0], told[3][0]) == (
        "its audio b.mp3 isn't there",
        f"its audio {address} isn't there",
    )
    assert found.notes == (
        f"2 tracks name a recording that isn't in {tmp_path / 'songs'}, as "
        "https://cdn.example/b.mp3",
    )
    # A model that doesn't read recordings has nothing to say of them.
    silent = predict(PlainModel({"meta": Numeric()}, tmp_path / "other"), table=table, jobs=1)
    assert not any(
        "audio" in w or "recording" in w for each in silent for w in (*each.warnings, *silent.notes)
    )

    out = tmp_path / "songs.parquet"
    table.write_text("track_id,audio\na,gone.wav\n")
    EmbeddingPlan.from_arguments([BareEncoder(LowLevel())], table=table).write(out)
    assert pq.read_table(out)["warnings"].to_pylist() == ["its audio gone.wav isn't there"]


def test_where_no_row_has_a_recording_it_is_told_why(tmp_path: Path) -> None:
    model = PlainModel({"mel": MelCNN.from_config({"frames": 8})}, tmp_path / "model")
    table, songs = tmp_path / "songs.csv", tmp_path / "songs"
    table.write_text("track_id,title\na,Song\nb,Song\n")
    songs.mkdir()
    (songs / "Artist - Song.mp3").write_bytes(b"sound")
    none = predict(model, table=table, jobs=1).notes
    assert none == ("no row has a recording: --input-dir audio=FOLDER names their folder",)
    assert predict(model, table=table, folders={"audio": songs}, jobs=1).notes == (
        "no row has a recording",
        "1 of 1 recordings are called after no track, or after several, as Artist - Song.mp3",
        "a track's recording is named after its id, for example a",
    )
    words = PlainModel({"lyrics": LyricsLSTM()}, tmp_path / "words")
    assert predict(words, table=table, jobs=1).notes == ("no row has a value of lyrics",)


def test_progress_counts_rows_without_the_first_value(tmp_path: Path) -> None:
    table = tmp_path / "songs.csv"
    table.write_text("track_id,level\na,1\n,2\nc,3\n")
    assert TrackTable(table).count() == len(list(TrackTable(table))) == 3


def test_what_can_not_be_is_told(
    model: PlainModel, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    table = write_table(tmp_path / "songs.csv", {}, 5)
    with pytest.raises(UserError, match=r"\.csv, \.jsonl or \.parquet"):
        plan(model, table).write(tmp_path / "scores.xml")
    for arguments, told in (
        ({"table": table, "corpus": tmp_path}, "Give --corpus alone"),
        ({"table": table, "jobs": 0}, "jobs must be positive"),
        ({"table": table, "engine": "abacus"}, "no engine named 'abacus'"),
        ({"table": table, "scheduler": "tcp://127.0.0.1:9"}, "choose --engine"),
    ):
        with pytest.raises(UserError, match=told):
            plan_prediction([model], **arguments)


def test_a_cluster_changes_no_answer(model: PlainModel, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    table = write_table(tmp_path / "songs.csv", FAULTS)
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=False, protocol="tcp", **settings) as cluster:
        address = {"engine": "dask", "scheduler": cluster.scheduler_address}
        found = predict(model, table=table, **address)
    assert list(found) == list(predict(model, table=table, jobs=1))
