"""Import a chunk at a time: the same as at once, in memory that doesn't grow with the table."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deephits_keras.corpus import PAPER_FILTERS, import_spotgentrack, import_table
from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.source_table import CHUNK
from deephits_keras.corpus.table import ROW_GROUP, CorpusWriter
from deephits_keras.errors import UserError

TRACKS = 2 * CHUNK + 500
LAST = TRACKS - 1


def songs(tracks: int = TRACKS) -> pd.DataFrame:
    numbers = np.arange(tracks)
    return pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in numbers],
            "popularity": numbers % 101,
            "duration_ms": np.where(numbers % 10 == 3, 20_000, 200_000),
            "lyrics": [f'line {n},\nand "another"' if n % 3 else "-99" for n in numbers],
        }
    )


def imported(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "tracks.parquet")


def test_what_spoils_a_row_is_found_in_every_chunk(tmp_path: Path) -> None:
    table = songs().astype(object)
    table.loc[CHUNK, "track_id"] = "t7"  # repeats a row of the chunk before
    table.loc[2 * CHUNK - 1, "popularity"] = 140
    table.loc[LAST, "track_id"] = "t8"
    table.loc[CHUNK + 9] = None
    lines = table.to_csv(index=False) + ",,,\n" * 5
    spoiled = lines.replace("t8200,", "t8200,a,line,of,too,many,values,", 1)
    (tmp_path / "songs.csv").write_text(spoiled)
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", filters=PAPER_FILTERS)
    rejected = pd.read_csv(tmp_path / "corpus" / "rejected.csv")
    # The line of too many values isn't counted, and has no number.
    assert rejected["source_row"].tolist()[:3] == [CHUNK, 2 * CHUNK - 1, LAST - 1]
    assert rejected["source_row"].isna().tolist() == [False, False, False, True]
    assert rejected["reason"].tolist()[:3] == [
        "duplicate of an earlier row: the popularity that counts is 7, not 56",
        "popularity is not from 0 to 100: 140",
        "duplicate of an earlier row: the popularity that counts is 8, not 5",
    ]
    assert rejected["reason"][3] == "line 8202: expected 4 fields, saw 10"
    assert summary.source_rows == TRACKS - 1
    assert summary.duplicates == 2
    kept = songs().drop(index=[CHUNK, 2 * CHUNK - 1, LAST, CHUNK + 9, 8200])
    short = kept["duration_ms"] == 20_000
    assert [step.removed for step in summary.steps] == [0, 0, 0, short.sum()]
    assert summary.steps[0].remaining == len(kept)
    kept = kept[~short]
    tracks = imported(tmp_path / "corpus")
    assert tracks["track_id"].tolist() == kept["track_id"].tolist()
    assert tracks["popularity"].tolist() == kept["popularity"].tolist()
    lyrics = kept["lyrics"].where(kept["lyrics"] != "-99").dropna()
    assert tracks["lyrics"].dropna().tolist() == lyrics.tolist()
    assert summary.with_lyrics == len(lyrics)
    groups = pq.ParquetFile(tmp_path / "corpus" / "tracks.parquet").metadata
    sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
    assert set(sizes[:-1]) == {ROW_GROUP}
    assert len(summary.corpus.filtered) == short.sum()


def test_a_byte_at_the_end_decides_the_encoding_of_the_whole(tmp_path: Path) -> None:
    table = songs().assign(title="")
    table.loc[[0, LAST], "title"] = ["Añil", "Corazón— año"]
    (tmp_path / "songs.csv").write_bytes(table.to_csv(index=False).encode("cp1252"))
    import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    assert imported(tmp_path / "corpus")["title"].dropna().tolist() == ["Añil", "Corazón— año"]


def test_recordings_are_found_for_the_tracks_of_every_chunk(tmp_path: Path) -> None:
    names = [("b", "t5.mp3"), ("a", f"track_t{LAST}.ogg"), ("b", f"t{LAST}.mp3"), ("b", "x.mp3")]
    for folder, name in names:
        (tmp_path / "audio" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "audio" / folder / name).touch()
    (tmp_path / "audio" / "caf\udce9.mp3").touch()  # not UTF-8
    table = songs().assign(audio="")
    table.loc[CHUNK, "audio"] = "b/x.mp3"
    table.loc[CHUNK + 1, "audio"] = "b/\0.mp3"
    table.to_csv(tmp_path / "songs.csv", index=False)
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", audio=tmp_path / "audio")
    tracks = summary.corpus.tracks([5, CHUNK, CHUNK + 1, LAST])
    found = [track.audio and track.audio.resolve().relative_to(tmp_path) for track in tracks]
    assert list(map(str, found)) == [
        "audio/b/t5.mp3", "audio/b/x.mp3", "None", f"audio/a/track_t{LAST}.ogg",
    ]  # fmt: skip
    assert summary.with_audio == 3


def test_artists_and_albums_are_joined_in_every_chunk(tmp_path: Path) -> None:
    numbers = np.arange(TRACKS)
    tracks = songs().rename(columns={"track_id": "id"})
    tracks["artists_id"] = [f"['a{n}', 'a0']" for n in numbers]
    tracks["album_id"] = [f"b{n}" for n in numbers]
    artists = pd.DataFrame({"id": [f"a{n}" for n in numbers], "artist_popularity": numbers % 100})
    artists["name"] = [f"Artist {n}" for n in numbers]
    again = artists.assign(artist_popularity=1, name="again")
    albums = pd.DataFrame({"id": tracks["album_id"], "release_date": 1900 + numbers % 100})
    for name, table in (
        ("tracks", tracks),
        ("artists", pd.concat([artists, again])),
        ("albums", albums),
    ):
        table.to_csv(tmp_path / f"spotify_{name}.csv")
    import_spotgentrack(tmp_path, tmp_path / "corpus", artist_rule="max", filters=())
    found = imported(tmp_path / "corpus")
    assert found["artist_popularity"].tolist() == (numbers % 100).tolist()
    assert found["artist_name"].tolist() == [f"Artist {n}" for n in numbers]
    assert found["release_year"].tolist() == (1900 + numbers % 100).tolist()
    assert found["artist_ids"][LAST].tolist() == [f"a{LAST}", "a0"]


def test_a_parquet_column_has_one_type_whatever_a_chunk_holds(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(songs())
    gap = pa.array([None if n == LAST else n for n in range(TRACKS)])
    tags = pa.array([[] if n < CHUNK else [f"tag {n}"] for n in range(TRACKS)])
    mood = pa.array([f"mood {n % 500}" for n in range(TRACKS)]).dictionary_encode()
    for name, values in (("gap", gap), ("tags", tags), ("mood", mood)):
        table = table.append_column(name, values)
    pq.write_table(table, tmp_path / "songs.parquet")
    import_table(tmp_path / "songs.parquet", tmp_path / "corpus")
    found = imported(tmp_path / "corpus")
    schema = pq.read_schema(tmp_path / "corpus" / "tracks.parquet")
    assert schema.field("gap").type == pa.int64()
    assert found["gap"].isna().tolist() == [n == LAST for n in range(TRACKS)]
    assert found["tags"].map(list).tolist() == tags.to_pylist()
    assert found["mood"].tolist() == mood.to_pylist()


def test_an_import_that_fails_late_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text(songs().to_csv(index=False) + 't,5,200000,"no end')
    with pytest.raises(UserError, match="row 8693 below the header has no pair"):
        import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    songs().assign(duration_ms=20_000).to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(UserError, match="remove every track"):
        import_table(tmp_path / "short.csv", tmp_path / "corpus", filters=PAPER_FILTERS)
    assert not (tmp_path / "corpus").exists()


def peak_megabytes(*words: object) -> float:
    """Peak memory of a run of the command, started by a process that is itself small."""
    run = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [sys.executable, "-m", "deephits_keras", *map(str, words)]
    done = subprocess.run(
        [sys.executable, "-S", "-c", run, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """Five times the lyrics, 66 MB more, take less than half of that: they are never all there."""
    peaks = []
    for chunks in (2, 10):
        text = "la di da " * 222
        lines = "".join(f"t{n},{n % 101},{text}{n}\n" for n in range(chunks * CHUNK))
        (tmp_path / "songs.csv").write_text("track_id,popularity,lyrics\n" + lines)
        peaks.append(peak_megabytes("import", "table", tmp_path / "songs.csv", tmp_path / "corpus"))
    assert peaks[1] - peaks[0] < 33


def made_tracks(rows: range) -> pd.DataFrame:
    ids = [f"t{row}" for row in rows]
    tracks = pd.DataFrame({"track_id": ids, "popularity": [row % 101 for row in rows]})
    words = [None if row % 3 else f"word {row}" for row in rows]
    return tracks.assign(audio=None, lyrics=pd.Series(words, dtype="string"))


@pytest.mark.parametrize("step", [1000, 40_000])
def test_a_long_table_has_few_row_groups_and_every_track_in_its_place(
    tmp_path: Path, step: int
) -> None:
    """The footer of a million rows would else take 20 MB, in every process that reads it."""
    tracks = 160_000
    nothing = pd.DataFrame()
    with CorpusWriter(tmp_path / "corpus", {"audio": pa.string()}) as writer:
        for start in range(0, tracks, step):
            chunk = made_tracks(range(start, start + step))
            writer.add(chunk, pd.DataFrame(columns=["reason"]), nothing)
        corpus = writer.finish({"synthetic": False})
    groups = pq.ParquetFile(tmp_path / "corpus" / "tracks.parquet").metadata
    sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
    assert sizes == [*[ROW_GROUP] * 64, *[2 * ROW_GROUP] * 46, 160_000 - 156 * ROW_GROUP]
    wanted = [159_999, 65_535, 65_536, 0, 67_583, 67_584, 150_000]
    found = corpus.tracks(wanted)
    assert [track.id for track in found] == [f"t{row}" for row in wanted]
    words = [None if row % 3 else f"word {row}" for row in wanted]
    assert [track.lyrics for track in found] == words


# === Lookups ===


def test_of_several_rows_of_a_key_the_first_counts() -> None:
    lookup = Lookup("name", "year")
    assert lookup.add([("a", "Ann", None), ("b", "Bob", "1999"), ("a", "again", "x")]) == [
        True, True, False,
    ]  # fmt: skip
    found = lookup.among(["c", "b", "a"])
    assert found.index.tolist() == ["b", "a"]
    assert found["name"].to_dict() == {"b": "Bob", "a": "Ann"}
    assert found["year"].isna().tolist() == [False, True]
    assert "a" in lookup
    assert "c" not in lookup


def test_a_lookup_without_room_on_disk_says_so() -> None:
    code = (
        "from deephits_keras.corpus.lookup import Lookup\n"
        "from deephits_keras.errors import DeepHitsError\n"
        "try:\n"
        "    Lookup().add((f'{n:0100}',) for n in range(100_000))\n"
        "except DeepHitsError as error:\n"
        "    print(error)\n"
    )
    limit = 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert "SQLITE_TMPDIR" in done.stdout, done.stderr
