"""The importers, on small tables with everything that goes wrong in real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from deephits_keras.corpus import Corpus, import_spotgentrack, import_table
from deephits_keras.corpus.dates import iso_dates
from deephits_keras.corpus.recordings import find_audio
from deephits_keras.encoders.inputs import Input
from deephits_keras.errors import UserError

TRACKS = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e", "f", "g", "h"],
        "name": ["Añil", "b", "c", "d", "e", "f", "g", "h"],
        "popularity": [10, 20, 30, 40, 50, 60, 70, 80],
        "artists_id": ["['x', 'y']", "['y']", "['nobody']", "[]", "x", "['x']", "['y']", "[bad"],
        "album_id": ["full", "month", "year", "none", "spread", "full", "full", "full"],
        "lyrics": ["la\nla, la", "-99", "", "  -99 ", "words", "words", None, "Lyrics, not -99"],
        "speechiness": [0.66, 0.67, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
        "duration_ms": [2e5, 2e5, 420_001, 420_000, 29_999, 30_000, 2e5, 2e5],
        "tempo": [120, 120, 120, 120, 120, 120, 0, 120],
        "key": [0, -1, 11, 5, 5, 5, 5, 5],
    }
)
ARTISTS = pd.DataFrame(
    {
        "id": ["x", "y", "x"],
        "name": ["Xavi", "Yara", "again"],
        "artist_popularity": [60, 80, 1],
        "genres": ["['pop', 'rock']", "[]", "[]"],
    }
)
ALBUMS = pd.DataFrame(
    {
        "id": ["full", "month", "year", "spread"],
        "release_date": ["2019-06-14", "2018-03", "1999", "2/8/19"],
    }
)


@pytest.fixture
def spotgentrack(tmp_path: Path) -> Path:
    return write_spotgentrack(tmp_path / "SpotGenTrack", TRACKS)


def write_spotgentrack(folder: Path, tracks: pd.DataFrame) -> Path:
    sources = folder / "Data Sources"
    sources.mkdir(parents=True)
    for name, table in (("tracks", tracks), ("artists", ARTISTS), ("albums", ALBUMS)):
        # As shipped: an index column without a name, and sometimes a byte-order mark.
        table.to_csv(sources / f"spotify_{name}.csv", encoding="utf-8-sig")
    return folder


def imported(corpus: Corpus) -> pd.DataFrame:
    return pd.read_parquet(corpus.folder / "tracks.parquet").set_index("track_id")


def test_the_three_tables_are_joined(spotgentrack: Path, tmp_path: Path) -> None:
    summary = import_spotgentrack(spotgentrack, tmp_path / "corpus", filters=())
    tracks = imported(summary.corpus)
    assert tracks.index.tolist() == list("abcdefgh")
    assert tracks["title"]["a"] == "Añil"
    popularity = tracks["artist_popularity"]
    assert popularity.dropna().to_dict() == {"a": 60, "b": 80, "e": 60, "f": 60, "g": 80}
    assert tracks["artist_name"]["a"] == "Xavi"
    assert tracks["genres"]["a"].tolist() == ["pop", "rock"]
    assert tracks["artist_ids"]["a"].tolist() == ["x", "y"]
    years = tracks["release_year"].dropna().astype(int).to_dict()
    assert years == {"a": 2019, "b": 2018, "c": 1999, "e": 2019, "f": 2019, "g": 2019, "h": 2019}
    lyrics = tracks["lyrics"].dropna().to_dict()
    assert lyrics == {"a": "la\nla, la", "e": "words", "f": "words", "h": "Lyrics, not -99"}
    assert summary.with_lyrics == 4
    assert np.isnan(tracks["tempo"]["g"])
    assert tracks["key"].tolist() == [0, -1, 11, 5, 5, 5, 5, 5]


@pytest.mark.parametrize(("rule", "expected"), [("first", 60), ("max", 80), ("mean", 70)])
def test_the_artist_rule(rule, expected: float, spotgentrack: Path, tmp_path: Path) -> None:
    summary = import_spotgentrack(spotgentrack, tmp_path / "c", artist_rule=rule, filters=())
    assert imported(summary.corpus)["artist_popularity"]["a"] == expected


def test_the_papers_filters_in_order_give_table_4(spotgentrack: Path, tmp_path: Path) -> None:
    summary = import_spotgentrack(spotgentrack, tmp_path / "corpus")
    counted = [(s.criterion, s.removed, s.removed_percent, s.remaining) for s in summary.steps]
    assert counted == [
        ("-", 0, 0.0, 8),
        ("speechiness > 0.66", 1, 12.5, 7),
        ("duration_ms > 420000", 1, 12.5, 6),
        ("duration_ms < 30000", 1, 12.5, 5),
    ]
    # At a limit itself a track stays.
    assert imported(summary.corpus).index.tolist() == ["a", "d", "f", "g", "h"]


def test_the_command_prints_table_4(spotgentrack: Path, tmp_path: Path, deephits) -> None:
    outcome = deephits("import", "spotgentrack", spotgentrack, tmp_path / "corpus")
    assert outcome.code == 0
    for words in ("Table 4", "speechiness > 0.66", "12.50", "5 tracks of 8 rows"):
        assert words in outcome.out


@pytest.mark.parametrize("name", ["spotify_tracks.csv", "spotify_albums.csv"])
def test_a_folder_that_lacks_a_table_is_refused(name, spotgentrack: Path, tmp_path: Path) -> None:
    (spotgentrack / "Data Sources" / name).unlink()
    with pytest.raises(UserError, match=f"lacks {name}"):
        import_spotgentrack(spotgentrack, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_rows_that_cannot_be_used_are_rejected_with_their_reason(tmp_path: Path) -> None:
    tracks = TRACKS.astype(object)
    tracks.loc[0, "popularity"] = 140
    tracks.loc[1, "popularity"] = None
    tracks.loc[2, "tempo"] = "fast"
    tracks.loc[3, "key"] = 4.5
    tracks.loc[4, "id"] = "f"
    tracks.loc[7, "id"] = None
    folder = write_spotgentrack(tmp_path / "raw", tracks)
    summary = import_spotgentrack(folder, tmp_path / "corpus", filters=())
    rejected = pd.read_csv(summary.corpus.folder / "rejected.csv", keep_default_na=False)
    assert rejected[["source_row", "track_id", "field"]].to_numpy().tolist() == [
        [0, "a", "popularity"],
        [1, "b", "popularity"],
        [2, "c", "tempo"],
        [3, "d", "key"],
        [5, "f", "track_id"],
        [7, "", "track_id"],
    ]
    assert rejected["reason"].tolist() == [
        "popularity is not from 0 to 100: 140",
        "there is no popularity",
        "tempo is not a number from 10 to 1000: fast",
        "key is not a whole number: 4.5",
        "duplicate of an earlier row: the popularity that counts is 50, not 60",
        "there is no track id",
    ]
    assert summary.duplicates == 1
    assert imported(summary.corpus).index.tolist() == ["f", "g"]


def test_a_hostile_list_literal_is_only_text(tmp_path: Path) -> None:
    tracks = TRACKS.copy()
    tracks.loc[0, "artists_id"] = "__import__('os').system('touch /tmp/owned')"
    tracks.loc[1, "artists_id"] = "[" * 5000
    folder = write_spotgentrack(tmp_path / "raw", tracks)
    corpus = import_spotgentrack(folder, tmp_path / "corpus", filters=()).corpus
    assert imported(corpus)["artist_popularity"].isna()[["a", "b"]].all()


# === Tables ===

SONGS = "title,artist,track_popularity,tempo\nOne,Ann,10,100\nTwo,Bob,20,\nONE,ann,30,90\n"


def test_any_table_with_a_popularity_is_a_corpus(tmp_path: Path, deephits) -> None:
    (tmp_path / "songs.csv").write_text(SONGS)
    outcome = deephits("import", "table", tmp_path / "songs.csv", tmp_path / "corpus")
    assert outcome.code == 0, outcome.err
    assert "2 tracks of 3 rows" in outcome.out
    assert "duplicates: 1" in outcome.out
    tracks = imported(Corpus.open(tmp_path / "corpus"))
    assert tracks["popularity"].tolist() == [10, 20]
    assert tracks["tempo"].isna().tolist() == [False, True]


def test_the_same_song_has_the_same_id_in_every_table(tmp_path: Path) -> None:
    for name in ("first", "second"):
        text = SONGS if name == "first" else SONGS.replace("Two,Bob", "two,BOB")
        (tmp_path / f"{name}.csv").write_text(text)
    ids = [
        imported(import_table(tmp_path / f"{n}.csv", tmp_path / n).corpus).index.tolist()
        for n in ("first", "second")
    ]
    assert ids[0] == ids[1]


def test_columns_are_named_on_the_command_line(tmp_path: Path, deephits) -> None:
    (tmp_path / "songs.csv").write_text("song,plays_rank\na,5\nb,9\n")
    table, corpus = tmp_path / "songs.csv", tmp_path / "corpus"
    refused = deephits("import", "table", table, corpus)
    assert refused.code == 2
    assert "--column popularity=NAME" in refused.err
    assert "song, plays_rank" in refused.err
    wrong = deephits("import", "table", table, corpus, "--column", "popularity=plays")
    assert wrong.code == 2
    assert "no column 'plays'" in wrong.err
    right = deephits(
        *("import", "table", table, corpus),
        *("--column", "popularity=plays_rank", "--column", "track_id=song"),
    )
    assert right.code == 0, right.err
    assert imported(Corpus.open(corpus))["popularity"].to_dict() == {"a": 5, "b": 9}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_accents_survive_whatever_the_encoding(encoding: str, tmp_path: Path) -> None:
    text = "track_id,title,popularity\nt,Corazón— año,5\n"
    (tmp_path / "songs.csv").write_bytes(text.encode(encoding))
    corpus = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    assert imported(corpus)["title"]["t"] == "Corazón— año"


def test_parquet_is_a_table_too(tmp_path: Path) -> None:
    pd.DataFrame({"track_id": ["a"], "popularity": [5]}).to_parquet(tmp_path / "songs.parquet")
    assert len(import_table(tmp_path / "songs.parquet", tmp_path / "corpus").corpus) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("songs.parquet", b"not Parquet"), ("songs.csv", b""), ("songs.csv", b"popularity\n200\n")],
)
def test_a_table_of_nothing_usable_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError):
        import_table(tmp_path / name, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_release_dates_as_found_in_the_wild() -> None:
    found = {
        "2019-06-14": "2019-06-14",
        "2019-06": "2019-06",
        "2019": "2019",
        "2019-06-14 00:00:00": "2019-06-14",
        "14/06/2019": "2019-06-14",
        "06/14/2019": "2019-06-14",
        "14-06-2019": "2019-06-14",
        "02.08.2019": "2019",
        "20190614": "2019-06-14",
        "2/8/19": "2019",
        "2/8/85": "1985",
        "Jun-19": "2019",
        "0000": None,
        "soon": None,
        "": None,
    }
    dates = iso_dates(pd.Series(list(found)))
    assert [None if pd.isna(date) else date for date in dates] == list(found.values())


# === Recordings ===


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "previews"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.mp3", "deep/er/b.ogg", "deep/track_c.flac", "d.txt"):
        soundfile.write(folder / name, np.zeros(4000), 22050, format="WAV")
    return folder


def test_recordings_are_found_by_track_id(recordings: Path) -> None:
    found = dict(find_audio(recordings, ["a", "b", "c", "d", "e"]))
    names = {track: str(path.relative_to(recordings)) for track, path in found.items()}
    assert names == {"a": "a.mp3", "b": "deep/er/b.ogg", "c": "deep/track_c.flac"}


def test_a_link_out_of_the_folder_is_not_followed(recordings: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.zeros(4000), 22050)
    (recordings / "e.wav").symlink_to(tmp_path / "secret.wav")
    assert not list(find_audio(recordings, ["e"]))


def test_a_path_in_a_table_cannot_leave_the_folder(recordings: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "secret.wav", np.zeros(4000), 22050)
    table = "track_id,popularity,audio\nx,5,deep/er/b.ogg\ny,6,../secret.wav\nz,7,none.mp3\n"
    (tmp_path / "songs.csv").write_text(table)
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus", audio=recordings)
    tracks = {track.id: track for track in summary.corpus.tracks([0, 1])}
    assert set(tracks) == {"x", "z"}
    assert tracks["x"].audio is not None
    assert tracks["x"].audio.resolve() == (recordings / "deep/er/b.ogg").resolve()
    assert tracks["z"].audio is None
    assert summary.rejected == {"audio": 1}


# === Other files ===


@pytest.fixture
def covers(tmp_path: Path) -> Path:
    folder = tmp_path / "covers"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg", "front.png", "a.mp3"):
        (folder / name).write_bytes(b"\x89PNG")
    (tmp_path / "secret.png").write_bytes(b"\x89PNG")
    return folder


def test_files_of_any_input_are_found_confined_and_recorded(
    covers: Path, recordings: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    (tmp_path / "songs.csv").write_text(
        "track_id,popularity,cover,review\na,5,,fine\nb,6,,\nc,7,front.png,\nd,7,none.png,\n"
        "y,8,../secret.png,\n"
    )
    told = deephits(
        *("import", "table", tmp_path / "songs.csv", tmp_path / "corpus"),
        *("--input-dir", f"cover={covers}", "--input-dir", f"audio={recordings}", "--json"),
    )
    assert told.code == 0, told.err
    assert json.loads(told.out)["with_files"] == {"cover": 3}
    corpus = Corpus.open(tmp_path / "corpus")
    tracks = {track.id: track for track in corpus.tracks(range(len(corpus)))}
    assert set(tracks) == {"a", "b", "c", "d"}
    assert "cover" not in tracks.pop("d").files
    found = {name: track.files["cover"].resolve() for name, track in tracks.items()}
    assert found == {
        # Of several files of a track the first by name; no encoder here says which endings count.
        "a": (covers / "a.mp3").resolve(),
        "b": (covers / "deep/b.jpg").resolve(),
        "c": (covers / "front.png").resolve(),
    }
    assert tracks["a"].audio is not None
    assert all("cover" not in track.fields for track in tracks.values())
    rejected = pd.read_csv(tmp_path / "corpus" / "rejected.csv")
    assert rejected[["track_id", "field"]].to_numpy().tolist() == [["y", "cover"]]
    assert "leads out of" in rejected["reason"][0]
    (only,) = corpus.tracks([0], (Input("cover", "file"), Input("review", "text")))
    assert (set(only.files), only.fields, only.texts) == ({"cover"}, {}, {"review": "fine"})


def test_a_column_of_files_without_a_folder_is_told(
    recordings: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    (tmp_path / "songs.csv").write_text("track_id,popularity,audio\nx,5,a.mp3\n")
    told = deephits("import", "table", tmp_path / "songs.csv", tmp_path / "corpus")
    assert "the column audio contains file paths: --input-dir audio=FOLDER" in told.out
    # The former name of the option still means the same.
    again = deephits(
        "import", "table", tmp_path / "songs.csv", tmp_path / "corpus", "--audio", recordings
    )
    assert "with a recording  1 (without: 0)" in again.out


@pytest.mark.parametrize("name", ["lyrics", "popularity", "track_id", "tempo", "Front Cover"])
def test_what_can_not_be_files_is_refused(
    covers: Path, tmp_path: Path, name: str, deephits: Callable[..., Any]
) -> None:
    (tmp_path / "songs.csv").write_text("track_id,popularity,tempo\nx,5,90\n")
    words = ("import", "table", tmp_path / "songs.csv", tmp_path / "corpus")
    told = deephits(*words, "--input-dir", f"{name}={covers}")
    assert (told.code, name in told.err) == (2, True)
