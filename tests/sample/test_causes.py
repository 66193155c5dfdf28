"""What is planted is there, and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from deephits_keras.sample.lyrics import LANGUAGES, PLACEHOLDER
from deephits_keras.sample.tables import Tables, draw_tables
from deephits_keras.tasks import TIERS

TRACKS = 1000

# Two independent columns of n rows correlate by 1/sqrt(n) or less two times in three; four times
# that, 0.13, happens once in 16,000.
BY_CHANCE = 4 / TRACKS**0.5


def words_in(text: str) -> int:
    return len(text.split())


@pytest.fixture(scope="module", params=["audio", "lyrics", "meta"])
def planted(request: pytest.FixtureRequest) -> tuple[str, Tables]:
    return request.param, draw_tables(TRACKS, seed=7, causes=request.param)


def bright_share(text: str) -> float:
    words = re.findall(r"\w+", text)
    bright = sum(word in language.bright for word in words for language in LANGUAGES.values())
    dark = sum(word in language.dark for word in words for language in LANGUAGES.values())
    return bright / (bright + dark)


def signs(tables: Tables) -> pd.DataFrame:
    """What each modality shows of a track but the audio, a column for each thing."""
    shown = tables.tracks.select_dtypes("number").drop(columns="popularity")
    leader = tables.tracks["artists_id"].str.extract(r"'(\w+)'")[0]
    albums, artists = tables.albums.set_index("id"), tables.artists.set_index("id")
    year = tables.tracks["album_id"].map(albums["release_date"]).str[:4].astype(float)
    has_lyrics = tables.tracks["lyrics"] != PLACEHOLDER
    return shown.assign(
        artist_popularity=leader.map(artists["artist_popularity"]),
        release_year=year,
        lyrics_there=has_lyrics.astype(float),
        lyrics_words=tables.tracks["lyrics"].map(words_in),
        lyrics_bright=tables.tracks.loc[has_lyrics, "lyrics"].map(bright_share),
    )


def test_the_popularity_follows_the_planted_cause_only(planted: tuple[str, Tables]) -> None:
    name, tables = planted
    correlation = tables.truth.filter(like="_cause").corrwith(tables.truth["popularity"])
    # Weight 18 against noise of 5 points gives 0.96, with 15 % of the texts missing 0.957.
    assert correlation.pop(f"{name}_cause") > 0.94
    assert (correlation.abs() < BY_CHANCE).all()


def test_only_the_planted_modality_shows_the_popularity(planted: tuple[str, Tables]) -> None:
    name, tables = planted
    table = signs(tables)
    correlation = table.loc[:, table.std() > 0].corrwith(tables.truth["popularity"])
    tells = {
        "audio": set(),
        "lyrics": {"lyrics_bright"},
        "meta": {"artist_popularity", "release_year", "danceability"},
    }[name]
    assert set(correlation.index[correlation.abs() > BY_CHANCE]) == tells


def test_all_causes_count_and_every_tier_is_there() -> None:
    tables = draw_tables(TRACKS, seed=7)
    popularity = tables.truth["popularity"].to_numpy()
    correlation = tables.truth.filter(like="_cause").corrwith(tables.truth["popularity"])
    # Weights 8, 8 and 14 of a spread of 18.7: 0.43, 0.43 and 0.75, each give or take 0.03.
    assert correlation["meta_cause"] == pytest.approx(0.75, abs=0.1)
    assert correlation["audio_cause"] == pytest.approx(0.43, abs=0.1)
    assert correlation["lyrics_cause"] == pytest.approx(0.40, abs=0.1)
    for tiers in TIERS.values():
        count = np.bincount(tiers.of(popularity), minlength=tiers.count)
        assert (count > 0).all()
        assert count[1:-1].max() == count.max()


def test_only_the_popularity_depends_on_the_causes() -> None:
    everything, audio = draw_tables(20, seed=2), draw_tables(20, seed=2, causes="audio")
    pd.testing.assert_frame_equal(
        everything.tracks.drop(columns="popularity"), audio.tracks.drop(columns="popularity")
    )
    assert (everything.tracks["popularity"] != audio.tracks["popularity"]).any()


def test_shares_are_the_papers() -> None:
    tracks = draw_tables(TRACKS, seed=7).tracks
    assert (tracks["lyrics"] == PLACEHOLDER).sum() == 147  # Table A3: 14.68 %
    assert (tracks["speechiness"] > 0.66).sum() == 53  # Table 4: 5.26 %
    assert (tracks["duration_ms"] > 420_000).sum() == 37  # 3.72 %
    assert (tracks["duration_ms"] < 30_000).sum() == 3  # 0.26 %
    assert tracks["preview_url"].isna().sum() == 30
    words = tracks.loc[tracks["lyrics"] != PLACEHOLDER, "lyrics"].map(words_in)
    # A median of n lognormal draws has a standard error of 1.25 s.d./sqrt(n): 2.1 % for 853
    # texts; a line that runs over adds up to 3 words. The 95th percentile's is 3.6 %.
    assert words.median() == pytest.approx(254, rel=0.07)
    assert words.quantile(0.95) == pytest.approx(583, rel=0.11)


def test_dates_are_as_precise_as_they_say() -> None:
    albums = draw_tables(TRACKS, seed=7).albums
    pattern = {"year": r"\d{4}", "month": r"\d{4}-\d{2}", "day": r"\d{4}-\d{2}-\d{2}"}
    assert set(albums["release_date_precision"]) == set(pattern)
    for precision, dates in albums.groupby("release_date_precision")["release_date"]:
        assert dates.str.fullmatch(pattern[str(precision)]).all()
    assert albums["release_date"].str[:4].astype(int).between(1957, 2020).all()
