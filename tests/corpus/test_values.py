"""Each value that tables really hold gives the right one, or a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus.importing import import_table
from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics
from deephits_keras.corpus.names import match_columns
from deephits_keras.corpus.units import unit_factors
from deephits_keras.corpus.values import STANDARD, clean_fields, clean_rows, read_ids
from deephits_keras.errors import UserError
from deephits_keras.prediction.tables import RejectedRow, TrackTable

UNKNOWN = None


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("popularity", "63", 63),
        ("popularity", " 63 % ", 63),
        ("popularity", "63,5", 63.5),
        ("energy", "80%", 0.8),
        ("energy", "0,8", 0.8),
        ("energy", ".5", 0.5),
        ("duration_ms", "210,000", 210_000),
        ("duration_ms", "210.000", 210_000),
        ("duration_ms", "210 000", 210_000),
        ("duration_ms", "1,234.0", 1234),
        ("duration_ms", "3:20", 200_000),
        ("duration_ms", "1:00:01", 3_601_000),
        ("duration_ms", "0:03:20", 200_000),
        ("duration_ms", "0 days 00:03:20", 200_000),
        ("duration_ms", "3:20.5", 200_500),
        ("duration_ms", "3 min 20 s", 200_000),
        ("duration_ms", "200000 ms", 200_000),
        ("duration_ms", "1,234,567", 1_234_567),
        ("duration_ms", "210'000", 210_000),
        ("duration_ms", "0", UNKNOWN),
        ("tempo", "120,5", 120.5),
        ("tempo", "120,500", 120.5),
        ("tempo", "99 BPM", 99),
        ("tempo", "0", UNKNOWN),
        ("loudness", "-5,634", -5.634),
        ("loudness", "\u22127 dB", -7),
        ("key", "C#", 1),
        ("key", "Db", 1),
        ("key", "F\u266f minor", 6),
        ("key", "B\u266d", 10),
        ("key", "Am", 9),
        ("key", "-1", -1),
        ("mode", "Major", 1),
        ("mode", "minor", 0),
        ("mode", "C minor", 0),
        ("mode", "True", 1),
        ("mode", "FALSE", 0),
        ("time_signature", "4/4", 4),
        ("time_signature", "04-Apr", 4),
        ("time_signature", "Apr-03", 3),
        ("time_signature", "03-Apr", 3),
        ("time_signature", "04-Mar", 3),
        ("time_signature", "04-Jan", 1),
        ("time_signature", "08-Jun", 6),
        ("time_signature", "06-Aug", 6),
        ("release_year", "2019-06", 2019),
        ("release_year", "0", UNKNOWN),
        ("release_year", "1999.0", 1999),
        *(
            (field, token, UNKNOWN)
            for field in ("energy", "key")
            for token in ("", "-", "?", r"\N", "<NA>", "unknown", "n/a", "None", "#N/A")
        ),
    ],
)
def test_a_value_as_it_is_written(field: str, written: str, value: float | None) -> None:
    row = clean_rows(pd.DataFrame({"popularity": ["1"]} | {field: [written]}))
    if field != "popularity":
        assert row.problems.empty
    found = row.rows[field].iloc[0]
    assert np.isnan(found) if value is None else found == pytest.approx(value, rel=1e-12)
    values, problems = clean_fields({field: written})
    assert not problems
    assert values == ({} if value is None else {field: pytest.approx(value, rel=1e-12)})


@pytest.mark.parametrize(
    ("field", "written", "reason"),
    [
        ("energy", 80, "energy is not from 0 to 1: 80"),
        ("release_year", 99, "release_year is not from 1800 to 2200: 99"),
        ("duration_ms", 210, "duration_ms is not from 1000 to 86400000: 210"),
        ("mode", 7, "mode is not from 0 to 1: 7"),
        ("mode", 0.5, "mode is not a whole number: 0.5"),
        ("artist_popularity", "300", "artist_popularity is not from 0 to 100: 300"),
        ("tempo", "fast", "tempo is not a number from 10 to 1000: fast"),
        ("tempo", float("inf"), "tempo is not from 10 to 1000: inf"),
        ("tempo", "1,200", "tempo is not from 10 to 1000: 1,200"),
        ("tempo", "1.205", "tempo is not from 10 to 1000: 1.205"),
        ("tempo", "12\n13", "its tempo goes over several lines"),
        ("tempo", "1_0", "tempo is not a number from 10 to 1000: 1_0"),
        ("time_signature", "03-May", "time_signature is not a whole number from 0 to 32: 03-May"),
        ("duration_ms", "3:99:00:00", "duration_ms is not a number from 1000 to 86400000"),
        ("key", "H", "key is not a whole number from -1 to 11: H"),
        ("energy", [0.1], "energy is not a number from 0 to 1: [0.1]"),
        ("energy", {"a": 1}, "energy is not a number from 0 to 1: {'a': 1}"),
    ],
)
def test_what_cannot_be_has_a_reason(field: str, written: Any, reason: str) -> None:
    values, problems = clean_fields({field: written})
    assert values == {}
    assert problems[field].startswith(reason)


def test_a_field_that_is_no_standard_one_stays_as_it_is() -> None:
    assert clean_fields({"followers": "12", "genre": "?"}) == ({"followers": "12"}, {})


@pytest.mark.parametrize("value", [0, 0.5, 1, 120, 2020.5])
@pytest.mark.parametrize("field", STANDARD)
def test_a_number_is_the_same_as_its_text(field: str, value: float) -> None:
    values, problems = clean_fields({field: str(value)})
    found, faults = clean_fields({field: value})
    assert (found, faults.keys()) == (values, problems.keys())


def test_an_id_that_has_parts_is_one_text() -> None:
    ids = pd.Series([{"$oid": "5f"}, {"a": 1, "b": None}, [1, 2], 12.0, 1e300], dtype=object)
    assert read_ids(ids).to_list() == ["5f", '{"a": 1, "b": null}', "[1, 2]", "12", "1e+300"]
    assert read_ids(pd.Series([1e30])).to_list() == ["1e+30"]


def test_ids_never_go_through_floats() -> None:
    large = 2**53 + 1
    assert read_ids(pd.Series([large, None], dtype="Int64")).to_list() == [str(large), pd.NA]
    assert read_ids(pd.Series([12.0, np.nan])).to_list() == ["12", pd.NA]
    written = [
        "spotify:track:4uLU6h",
        "https://open.spotify.com/intl-de/track/4uLU6h?si=1",
        " 7.0 ",
    ]
    assert read_ids(pd.Series(written)).to_list() == ["4uLU6h", "4uLU6h", "7"]


# === Lyrics ===


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("la la", "la la"),
        ("3 ContributorsA Song Lyrics[Verse 1]\nLa\n\n[Chorus]\nLo8Embed", "La\n\nLo"),
        ("1 ContributorTitle LyricsLa\nYou might also likeLo1.2KEmbed", "La\nLo"),
        ("2 ContributorsX Lyrics\nLa\nSee Them LiveGet tickets as low as $17\nLoEmbed", "La\nLo"),
        ("[ti:T]\n[ar:A]\n[00:12.00]One\n[00:15.3]Two", "One\nTwo"),
        ("One &amp; two<br/>three", "One & two\nthree"),
        ("zero\u200bwidth", "zerowidth"),
        ("words\n...\n\n******* This Lyrics is NOT for Commercial use *******\n(1409622)", "words"),
        ("(Instrumental)", None),
        ("This song is an instrumental", None),
        ("Lyrics for this song have yet to be released. Please check back once", None),
        ("Unfortunately, we are not licensed to display the full lyrics", None),
        ("'-99'", None),
        ("  ", None),
        ("I embed my heart in contributors", "I embed my heart in contributors"),
        ("Lyrics of love\n[screams]\nAh", "Lyrics of love\n[screams]\nAh"),
        ("night\n(Hook me up)\n(Solo tonight)", "night\n(Hook me up)\n(Solo tonight)"),
        ("(Chorus)\nnight\n(Verse 2)\nday\n(Hook: Bo)\nend", "night\nday\nend"),
        ('[Letra de "X"]\n[Verso 1]\nnoche\n[Strophe 2]\nNacht', "noche\nNacht"),
        ("1 ContributorX Lyrics\u201cX\u201d is by\u2026 Read More \n[Verse]\nnight", "night"),
        ("3 Contributors夜 Lyrics夜に駆ける5Embed", "夜に駆ける"),
        ("2 Contributors\nTranslations\nEspañol\nX Lyrics\nnight\nEmbed", "night"),
        ("Cafe\u0301", "Caf\u00e9"),
        (r"night\nday", "night\nday"),
        ("['night', 'day']", "night\nday"),
        ("♪ ♪", UNKNOWN),
        ("[Non-Lyrical Vocals]", UNKNOWN),
        ("-99.0", UNKNOWN),
    ],
)
def test_lyrics_without_what_is_not_theirs(page: str, words: str | None) -> None:
    found = clean_lyrics(pd.Series([page]), LyricsCleaning()).iloc[0]
    assert (None if pd.isna(found) else found) == words


def test_cleaning_can_be_switched_off_and_headings_kept() -> None:
    page = "3 ContributorsA Song Lyrics[Chorus]\nLa8Embed"
    raw = clean_lyrics(pd.Series([page, "-99"]), LyricsCleaning(enabled=False))
    assert raw.to_list() == [page, pd.NA]
    kept = clean_lyrics(pd.Series([page]), LyricsCleaning(keep_sections=True))
    assert kept.to_list() == ["[Chorus]\nLa"]


def test_an_import_tells_which_lyrics_seem_to_be_another_songs(tmp_path: Path) -> None:
    songs = pd.DataFrame(
        {
            "track_id": list("abcdef"),
            "title": ["Blue Moon", "Red Sun - Live", "Déjà Vu (feat. X)", "Rain", "Snow", "Snow"],
            "popularity": range(6),
            "lyrics": [
                "3 ContributorsBlue Moon Lyrics[Verse 1]\nblue moon of night",
                "3 ContributorsBlue Moon Lyrics[Verse 1]\nblue moon of night",
                "deja vu again",
                "la la la",
                "snow is falling",
                "snow is falling",
            ],
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    notes = import_table(tmp_path / "songs.csv", tmp_path / "corpus").notes
    assert "the lyrics of 1 track begin with the title line of another song" in notes
    assert "the lyrics of 1 track are also those of another track" in notes
    assert not any("contain their song's title" in note for note in notes)


@pytest.mark.parametrize(("shifted", "synthetic"), [(0, False), (1, False), (1, True)])
def test_lyrics_out_of_order_are_told_by_their_titles(
    shifted: int, synthetic: bool, tmp_path: Path
) -> None:
    titles = [
        f"{word} {number}"
        for number in range(6)
        for word in ("sun", "rain", "moon", "wind", "tide")
    ]
    # As of real songs, every third doesn't contain its title.
    lyrics = [f"oh, {t}, oh" if n % 3 else f"hum {n}" for n, t in enumerate(titles)]
    songs = pd.DataFrame({"track_id": titles, "title": titles, "popularity": 5})
    songs.assign(lyrics=np.roll(lyrics, shifted)).to_csv(tmp_path / "songs.csv", index=False)
    if synthetic:
        (tmp_path / "synthetic.json").write_text("{}")
    notes = import_table(tmp_path / "songs.csv", tmp_path / "corpus").notes
    told = "30 of 30 lyrics don't contain their song's title, where a third is usual"
    found = [note for note in notes if note.startswith(told)]
    assert len(found) == (shifted == 1 and not synthetic)
    assert "title" not in "".join(set(notes) - set(found))


def test_an_import_names_the_columns_that_are_no_standard_ones(tmp_path: Path) -> None:
    head = "track_id,popularity,Tempo,danceabilty,mood,explicit\n"
    (tmp_path / "songs.csv").write_text(head + "a,1,120,0.5,happy,True\nb,2,120,0.5,sad,False\n")
    notes = import_table(tmp_path / "songs.csv", tmp_path / "corpus").notes
    assert "no standard columns, kept under their own names: mood" in notes
    assert any(note.startswith("danceabilty isn't used: did you mean danceab") for note in notes)


def test_a_list_of_lines_is_a_text() -> None:
    lines = pd.Series([np.array(["la", "lo"]), None], dtype=object)
    assert clean_lyrics(lines, LyricsCleaning()).to_list() == ["la\nlo", pd.NA]


# === Columns ===


def test_columns_are_found_by_the_names_of_public_tables() -> None:
    columns = ["Track ID", "artist(s)_name", "BPM", "danceability_%", "Loudness (dB)", "poplarity"]
    found = match_columns(columns, {}, "t.csv", required=())
    assert found.names == {
        "Track ID": "track_id",
        "artist(s)_name": "artist_name",
        "BPM": "tempo",
        "danceability_%": "danceability",
        "Loudness (dB)": "loudness",
        "poplarity": "poplarity",
    }
    assert found.near_misses == {"poplarity": "popularity"}


def test_a_given_column_wins_and_a_missing_one_is_told() -> None:
    found = match_columns(["popularity", "score"], {"popularity": "score"}, "t.csv")
    assert found.names == {"score": "popularity"}
    with pytest.raises(UserError, match="has no column 'x' for tempo"):
        match_columns(["popularity"], {"tempo": "x"}, "t.csv")
    with pytest.raises(UserError, match="--column popularity=NAME"):
        match_columns(["track_id"], {}, "t.csv")


@pytest.mark.parametrize(
    ("column", "written", "factor"),
    [
        ("Duration", ["200.5", "", "3600"], 1e3),
        ("Duration", ["200000", "100000"], 1),
        ("Duration", ["3.5", "4.2"], 6e4),
        ("length", ["200.000", "180.500"], 1),  # dots between thousands
        ("duration_ms", ["200", "3000", "251"], 1e3),
        ("duration_ms", ["200000", "210", "180000"], 1),
        ("duration_ms", ["3:20", "0 days 00:03:20"], 1),
        ("duration_s", ["200", "180"], 1e3),
        ("duration_s", ["200000", "180000"], 1),
        ("duration_min", ["3.5", "4"], 6e4),
        ("energy", ["80", "7", "0"], 0.01),
        ("energy", ["0.8", "80", "0.1"], 1),
        ("energy", ["80%", "7%"], 1),
        ("danceability_%", ["80", "1"], 0.01),
        ("danceability_%", ["0.8", "0.123"], 1),
    ],
)
def test_the_unit_of_a_column(column: str, written: list[str], factor: float) -> None:
    name = "duration_ms" if column.startswith(("dur", "Dur", "len")) else column.rstrip("_%")
    assert unit_factors(pd.DataFrame({column: written}), {name: column}) == {name: factor}


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("popularity", ["12,5", "1.205", "7"], [12.5, None, 7]),
        ("popularity", ["12.5", "1,205", "7"], [12.5, None, 7]),
        ("popularity", ["12", "1,205", "7"], [12, None, 7]),
        ("popularity", ["12", "1.205", "7"], [12, 1.205, 7]),
        ("popularity", ["12,5", "13,25", "7.5"], [12.5, 13.25, 7.5]),
        ("popularity", ["12,345", "1,205", "7,125"], [12.345, 1.205, 7.125]),
        ("loudness", ["-7,5", "-7,125", "-1.205"], [-7.5, -7.125, None]),
        ("loudness", ["-7.5", "-7.125", "-1,205"], [-7.5, -7.125, None]),
        ("energy", ["0.125", "0.5", "0,25"], [0.125, 0.5, 0.25]),
        ("duration_ms", ["210.500", "198.250", "1.200.000"], [210500, 198250, 1200000]),
        ("duration_ms", ["210,500", "198,250", "1,200,000"], [210500, 198250, 1200000]),
        ("tempo", ["120,500", "98,123", "99"], [120.5, 98.123, 99]),
        ("tempo", ["120.5", "1,200", "99"], [120.5, None, 99]),
    ],
)
def test_a_column_has_one_decimal_mark(
    tmp_path: Path, name: str, written: list[str], read: list[float | None]
) -> None:
    songs = {"track_id": ["a", "b", "c"], "title": ["A", "B", "C"], "popularity": ["50"] * 3}
    pd.DataFrame(songs | {name: written}).to_csv(tmp_path / "songs.csv", index=False, sep=";")
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    corpus = summary.corpus
    tracks = dict(zip(corpus.column("track_id"), corpus.column(name), strict=True))
    assert [tracks.get(each) for each in "abc"] == read
    reasons = pd.read_csv(tmp_path / "corpus" / "rejected.csv")["reason"]
    assert len(reasons) == read.count(None)
    if name != "duration_ms":
        assert reasons.str.contains("as the column has decimal").all()
    if name != "popularity":
        rows = TrackTable(tmp_path / "songs.csv", reading=corpus.reading)
        assert [None if isinstance(r, RejectedRow) else r.fields[name] for r in rows] == read


def test_a_share_that_is_nearly_always_0_is_in_the_unit_of_the_others() -> None:
    rows = pd.DataFrame({"energy": ["80", "7"], "valence": ["50", "9"], "liveness": ["0.5", "3"]})
    factors = unit_factors(rows, {str(name): str(name) for name in rows})
    assert factors == {"energy": 0.01, "valence": 0.01, "liveness": 0.01}


def test_units_are_read_by_column_and_said(tmp_path: Path) -> None:
    head = "track_id,popularity,duration_ms,energy,danceability_%\n"
    (tmp_path / "songs.csv").write_text(head + "a,1,200,80,63\nb,2,3:20,80%,63%\nc,3,210.5,7,1\n")
    summary = import_table(tmp_path / "songs.csv", tmp_path / "corpus")
    found = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert found["duration_ms"].tolist() == [200_000, 200_000, 210_500]
    assert found["energy"].tolist() == pytest.approx([0.8, 0.8, 0.07])
    assert found["danceability"].tolist() == pytest.approx([0.63, 0.63, 0.01])
    assert "duration_ms is in seconds: read as such" in summary.notes
    assert "danceability_%, energy are in percent: read as such" in summary.notes


def test_every_standard_column_has_a_range_that_holds() -> None:
    for name, column in STANDARD.items():
        for value in (column.low, column.high):
            values, problems = clean_fields({name: value})
            assert not problems
            assert values == ({} if value in column.unknown else {name: value})
