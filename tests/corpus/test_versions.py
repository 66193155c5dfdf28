"""Versions of one song stay on one side of `--split song`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deephits_keras.choices import SPLITS
from deephits_keras.corpus import Corpus, make_split
from deephits_keras.corpus.apart import songs_not_placed_apart, split_notes
from deephits_keras.corpus.splits import KINDS, Split
from deephits_keras.corpus.table import write_corpus
from deephits_keras.corpus.versions import song_groups, song_title
from deephits_keras.errors import UserError

VERSIONS = [
    "{}",
    "{} - Remastered 2011",
    "{} - 2011 Remaster",
    "{} (Deluxe)",
    "{} (Deluxe Edition) [Remastered]",
    "{} [Live]",
    "{} - Live at Wembley / 1986",
    "{} (feat. Somebody)",
    "{} feat. Somebody",
    "{} ft. Somebody & Another - Radio Edit",
    "{} (with Somebody)",
    "{} - Single Version",
    "{} - Mono",
    "{} (Acoustic)",
    "{} \u2013 From the Motion Picture",
    "  {}  ",
]

SONGS = [
    "Bad Guy",
    "Live and Let Die",
    "99 Problems",
    "Señorita",
    "Don't Stop Me Now",
    "(Untitled)",
]


@pytest.mark.parametrize("song", SONGS)
def test_versions_have_one_title(song: str) -> None:
    titles = {song_title(version.format(song)) for version in VERSIONS}
    titles |= {song_title(song.upper()), song_title(song.replace("'", "\u2019"))}
    assert len(titles) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alive", "Alive (Part 2)"),
        ("Live", "Life"),
        ("Hello", "Hello - Goodbye"),
        ("Intro", "Outro"),
        ("Mixed Emotions", "Emotions"),
        ("Remix", "Version"),
        ("1999", "2011"),
    ],
)
def test_other_songs_have_other_titles(one: str, other: str) -> None:
    assert song_title(one) != song_title(other)
    assert song_title(one)
    assert song_title(other)


def test_songs_of_other_artists_are_other_songs() -> None:
    titles = pd.Series(["Hello", "Hello (Live)", "Hello", "Hello", None, None])
    artists = pd.Series([["adele"], ["adele"], ["lionel"], [], ["adele"], ["adele"]])
    groups = song_groups(titles, artists)
    assert groups[0] == groups[1]
    assert len(set(groups[1:])) == 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    draw = np.random.default_rng(8)
    rows = [
        (f"Song {song}", version, f"Artist {song % 37}")
        for song in range(150)
        for version in draw.choice(VERSIONS, draw.integers(1, 5), replace=False)
    ]
    tracks = pd.DataFrame(
        {
            "track_id": [f"t{n:04}" for n in range(len(rows))],
            "title": [version.format(song) for song, version, _ in rows],
            "artist_name": [artist for *_, artist in rows],
            "popularity": draw.uniform(0, 100, len(rows)),
        }
    )
    return make_corpus(tmp_path_factory.mktemp("songs") / "corpus", tracks)


def make_corpus(folder: Path, tracks: pd.DataFrame) -> Corpus:
    for name in ("audio", "lyrics"):
        tracks[name] = pd.Series(pd.NA, index=tracks.index, dtype="string")
    return write_corpus(folder, tracks, {"source": "made up"}, pd.DataFrame())


@pytest.mark.parametrize("seed", range(3))
def test_no_song_is_on_two_sides(corpus: Corpus, seed: int) -> None:
    split = make_split("song", corpus, seed=seed, validation=0.2, test=0.1)
    titles = corpus.column("title").map(song_title)
    songs = {part: set(titles.iloc[rows]) for part, rows in split.parts.items()}
    assert not songs["train"] & (songs["validation"] | songs["test"])
    assert not songs["validation"] & songs["test"]
    assert sorted(np.concatenate(list(split.parts.values()))) == list(range(len(corpus)))
    assert len(split.parts["validation"]) == pytest.approx(0.2 * len(corpus), abs=5)
    assert songs_not_placed_apart(corpus, split) == {"without_song": 0, "perhaps_versions": 0}
    assert split_notes(corpus, split) == []


def test_the_check_finds_what_the_split_could_not_place_apart(tmp_path: Path) -> None:
    tracks = pd.DataFrame(
        {
            "track_id": list("abcd"),
            # No table of versions knows the first, and the second names no song.
            "title": ["Bad Guy (a cappella)", None, "Bad Guy", "Other"],
            "artist_name": ["A", "A", "A & B", "B"],
            "popularity": [10.0, 20.0, 30.0, 40.0],
        }
    )
    corpus = make_corpus(tmp_path / "corpus", tracks)
    split = Split("song", 0, {"train": np.array([2, 3]), "validation": np.array([0, 1])})
    assert songs_not_placed_apart(corpus, split) == {"without_song": 1, "perhaps_versions": 1}
    assert split_notes(corpus, split) == [
        "1 of 2 held-out tracks name no song: a title or an artist is unknown",
        "1 of 2 held-out tracks may be versions of training tracks: their titles begin alike",
    ]
    untitled = make_corpus(tmp_path / "untitled", tracks.drop(columns="title"))
    with pytest.raises(UserError, match="names no songs"):
        make_split("song", untitled)


def test_the_command_offers_every_split() -> None:
    assert tuple(KINDS) == SPLITS
