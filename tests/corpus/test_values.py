"""Each value that tables really hold gives the right one, or a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics
from deephits_keras.corpus.names import in_seconds, match_columns
from deephits_keras.corpus.values import STANDARD, clean_fields, clean_rows, read_ids
from deephits_keras.errors import UserError

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
        ("time_signature", "4/4", 4),
        ("time_signature", "04-Apr", 4),
        ("time_signature", "Apr-03", 3),
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
        ("tempo", "fast", "tempo is not a number: fast"),
        ("tempo", float("inf"), "tempo is not from 0 to 1000: inf"),
        ("tempo", "12\n13", "its tempo goes over several lines"),
        ("key", "H", "key is not a number: H"),
        ("energy", [0.1], "energy is not a number: [0.1]"),
        ("energy", {"a": 1}, "energy is not a number: {'a': 1}"),
    ],
)
def test_what_cannot_be_has_a_reason(field: str, written: Any, reason: str) -> None:
    values, problems = clean_fields({field: written})
    assert values == {}
    assert problems[field].startswith(reason)


def test_a_field_that_is_no_standard_one_stays_as_it_is() -> None:
    assert clean_fields({"followers": "12", "genre": "?"}) == ({"followers": "12"}, {})


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
    assert found.factors == {"danceability": 0.01}
    assert found.near_misses == {"poplarity": "popularity"}


def test_a_given_column_wins_and_a_missing_one_is_told() -> None:
    found = match_columns(["popularity", "score"], {"popularity": "score"}, "t.csv")
    assert found.names == {"score": "popularity"}
    with pytest.raises(UserError, match="has no column 'x' for tempo"):
        match_columns(["popularity"], {"tempo": "x"}, "t.csv")
    with pytest.raises(UserError, match="--column popularity=NAME"):
        match_columns(["track_id"], {}, "t.csv")


def test_a_duration_of_no_stated_unit_is_in_seconds_if_it_is_small() -> None:
    assert in_seconds("Duration", [200.5, np.nan, 3600])
    assert not in_seconds("Duration", [200_000, 100])
    assert not in_seconds("duration_ms", [200])


def test_every_standard_column_has_a_range_that_holds() -> None:
    for name, column in STANDARD.items():
        for value in (column.low, column.high):
            values, problems = clean_fields({name: value})
            assert not problems
            assert values == ({} if value in column.unknown else {name: value})
