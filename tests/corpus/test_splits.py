"""Splits: what is promised of each kind holds for every seed tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import Corpus, make_split
from deephits_keras.corpus.splits import Split, artist_groups, not_placed_apart
from deephits_keras.corpus.table import write_corpus
from deephits_keras.errors import UserError
from deephits_keras.tasks import TIERS

TRACKS = 400
SEEDS = range(5)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    draw = np.random.default_rng(3)
    tracks = pd.DataFrame(
        {
            "track_id": [f"t{n:03}" for n in range(TRACKS)],
            "popularity": draw.beta(2, 4, TRACKS).round(2) * 100,
            "artist_ids": [
                [f"a{n}" for n in draw.choice(120, size=size, replace=False)]
                for size in draw.choice([1, 2], TRACKS, p=[0.95, 0.05])
            ],
            "release_date": [f"{year}-06" for year in draw.integers(1990, 2021, TRACKS)],
        }
    )
    tracks.loc[7, "release_date"] = None
    return make_corpus(tmp_path_factory.mktemp("corpus") / "corpus", tracks)


def make_corpus(folder: Path, tracks: pd.DataFrame) -> Corpus:
    for name in ("audio", "lyrics"):
        tracks[name] = pd.Series(pd.NA, index=tracks.index, dtype="string")
    return write_corpus(folder, tracks, {"source": "made up"}, pd.DataFrame())


@pytest.mark.parametrize("kind", ["random", "stratified", "artist", "date", "kfold"])
@pytest.mark.parametrize("test", [0.0, 0.1])
def test_every_row_is_in_exactly_one_part(kind: str, test: float, corpus: Corpus) -> None:
    fold = 2 if kind == "kfold" else None
    for seed in SEEDS:
        parts = make_split(kind, corpus, seed=seed, test=test, fold=fold).parts
        assert list(parts) == (["train", "test", "validation"] if test else ["train", "validation"])
        rows = np.concatenate(list(parts.values()))
        assert sorted(rows) == list(range(TRACKS))
        assert all((np.diff(part) > 0).all() for part in parts.values())
        held_out = {"validation": 0.2, "test": test} if kind != "kfold" else {"test": test}
        for part, share in held_out.items():
            if share:
                # Whole groups of artists seldom fill a part to the last track.
                assert abs(len(parts[part]) - share * TRACKS) <= (8 if kind == "artist" else 1)


def test_the_seed_decides(corpus: Corpus) -> None:
    for kind in ("random", "stratified", "artist"):
        first, again, other = (make_split(kind, corpus, seed=s).parts for s in (1, 1, 2))
        np.testing.assert_array_equal(first["validation"], again["validation"])
        assert set(first["validation"]) != set(other["validation"])


def test_stratified_keeps_the_share_of_every_tier(corpus: Corpus) -> None:
    tiers = TIERS["tiers-10"].of(corpus.popularity)
    whole = np.bincount(tiers, minlength=10)
    for seed in SEEDS:
        rows = make_split("stratified", corpus, seed=seed).parts["validation"]
        held_out = np.bincount(tiers[rows], minlength=10)
        # Two sparse tiers that are drawn as one may share out its tracks as they like.
        assert (np.abs(held_out - 0.2 * whole)[whole >= 10] <= 2).all()


def test_no_artist_is_on_both_sides(corpus: Corpus) -> None:
    artists = corpus.column("artist_ids").reset_index(drop=True)
    for seed in SEEDS:
        parts = make_split("artist", corpus, seed=seed, test=0.1).parts
        names = [set(artists[part].explode()) for part in parts.values()]
        assert not names[0] & names[1]
        assert not names[0] & names[2]
        assert not names[1] & names[2]
        random = make_split("random", corpus, seed=seed).parts
        assert set(artists[random["train"]].explode()) & set(
            artists[random["validation"]].explode()
        )


def test_artists_are_joined_over_others(tmp_path: Path) -> None:
    tracks = pd.DataFrame(
        {
            "track_id": list("abcdef"),
            "popularity": [1.0] * 6,
            "artist_ids": [["x"], ["x", "y"], ["y"], ["z"], [], []],
        }
    )
    groups = artist_groups(make_corpus(tmp_path / "corpus", tracks))
    assert groups[0] == groups[1] == groups[2]
    assert len(set(groups.tolist())) == 4


def test_by_date_the_newest_are_held_out(corpus: Corpus) -> None:
    dates = corpus.column("release_date").fillna("").to_numpy().astype(str)
    parts = make_split("date", corpus, test=0.1).parts
    assert max(dates[parts["train"]]) <= min(dates[parts["validation"]])
    assert max(dates[parts["validation"]]) <= min(dates[parts["test"]])
    assert 7 in parts["train"]


def test_the_folds_hold_out_every_track_once(corpus: Corpus) -> None:
    splits = [make_split("kfold", corpus, fold=fold, folds=4, seed=1) for fold in range(4)]
    held_out = np.concatenate([split.parts["validation"] for split in splits])
    assert sorted(held_out) == list(range(TRACKS))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("by mood", {}, "random, stratified, artist, song, date, kfold"),
        ("random", {"validation": 0.0}, "--validation must be above 0"),
        ("random", {"validation": 0.6, "test": 0.4}, "must leave tracks for training"),
        ("kfold", {}, "--fold from 0 to 4"),
        ("kfold", {"fold": 5}, "--fold from 0 to 4"),
        ("kfold", {"fold": 0, "folds": 1}, "--folds must be from 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    kind: str, options: dict[str, Any], message: str, corpus: Corpus
) -> None:
    with pytest.raises(UserError, match=message):
        make_split(kind, corpus, **options)


def test_without_artists_there_is_no_split_by_artist(tmp_path: Path) -> None:
    tracks = pd.DataFrame({"track_id": list("abcd"), "popularity": [1.0, 2, 3, 4]})
    with pytest.raises(UserError, match="has no artists"):
        make_split("artist", make_corpus(tmp_path / "corpus", tracks))


def test_columns_without_values_split_nothing(tmp_path: Path) -> None:
    """The held-out tracks would be any, under a name that promises more."""
    tracks = pd.DataFrame({"track_id": [f"t{n}" for n in range(20)], "popularity": np.arange(20.0)})
    tracks["artist_ids"] = [[] for _ in range(20)]
    tracks["release_year"] = [np.nan] * 15 + [2001.0, 2002, 2003, 2004, 2005]
    corpus = make_corpus(tmp_path / "corpus", tracks)
    with pytest.raises(UserError, match="No track of this corpus names an artist"):
        make_split("artist", corpus)
    assert set(make_split("date", corpus).parts["validation"]) == {16, 17, 18, 19}
    with pytest.raises(UserError, match="15 of 20 tracks have no release_year"):
        make_split("date", corpus, test=0.2)
    undated = make_corpus(tmp_path / "undated", tracks.drop(columns="release_year"))
    with pytest.raises(UserError, match="neither release_date nor release_year"):
        make_split("date", undated)


def test_saved_and_read_a_split_is_the_same(corpus: Corpus, tmp_path: Path) -> None:
    split = make_split("random", corpus, seed=4, test=0.1)
    split.to_parquet(tmp_path / "split.parquet", corpus)
    again = Split.from_parquet(tmp_path / "split.parquet")
    assert (again.kind, again.seed) == ("random", 4)
    for part, rows in split.parts.items():
        np.testing.assert_array_equal(again.parts[part], rows)
    (tmp_path / "split.parquet").write_bytes(b"no split")
    with pytest.raises(UserError, match=r"split\.parquet is not a split"):
        Split.from_parquet(tmp_path / "split.parquet")


def spelled(draw: np.random.Generator, names: list[str]) -> Any:
    """The same artists as one public table or another holds them."""
    cased = [str(draw.choice([name, name.upper(), f" {name} "])) for name in names]
    joined = [sign.join(cased) for sign in (", ", ";", " feat. ", " & ")]
    return str(draw.choice([str(cased), *joined]))


@pytest.mark.parametrize("seed", SEEDS)
def test_artists_that_tables_spell_otherwise_are_on_one_side(seed: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(seed)
    true = [[f"Artist {n}"] for n in range(60) for _ in range(2)]
    true += [[f"Artist {n}", f"Artist {(n + 1) % 60}"] for n in range(0, 60, 6)]
    tracks = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(len(true))],
            "popularity": draw.uniform(0, 100, len(true)),
            "artist_name": [spelled(draw, names) for names in true],
        }
    )
    corpus = make_corpus(tmp_path / "corpus", tracks)
    split = make_split("artist", corpus, seed=seed, test=0.2)
    sides: dict[str, set[str]] = {name: set() for names in true for name in names}
    for part, rows in split.parts.items():
        for row in rows:
            for name in true[row]:
                sides[name].add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert not_placed_apart(corpus, split) == {"without_artist": 0, "perhaps_shared": 0}


def test_what_cannot_be_placed_apart_is_counted(tmp_path: Path) -> None:
    names = ["A", "B", "C", "D & Unknown", "Unknown & E", None]
    tracks = pd.DataFrame(
        {"track_id": list("abcdef"), "popularity": np.arange(6.0), "artist_name": names}
    )
    corpus = make_corpus(tmp_path / "corpus", tracks)
    split = Split("artist", 0, {"train": np.array([0, 1, 3]), "validation": np.array([2, 4, 5])})
    # Nobody knows whether both are by one "Unknown".
    assert not_placed_apart(corpus, split) == {"without_artist": 1, "perhaps_shared": 1}


def test_an_update_trains_on_newer_songs_and_rehearses_some_of_the_others(corpus: Corpus) -> None:
    years = corpus.column("release_date").str[:4].astype("float").to_numpy()
    options: dict[str, Any] = {"origin": 2010, "horizon": 5, "validation": 0.1}
    whole = make_split("rolling", corpus, **options)
    new = make_split("rolling", corpus, **options, since=2000)
    some = make_split("rolling", corpus, **options, since=2000, rehearsal=0.5)
    trained = [np.concatenate([s.parts["train"], s.parts["validation"]]) for s in (new, some)]
    older = np.flatnonzero(years < 2000)
    assert set(trained[0]) == set(np.flatnonzero((years >= 2000) & (years < 2010)))
    assert len(np.intersect1d(trained[1], older)) == round(0.5 * len(older))
    assert set(trained[0]) < set(trained[1])
    for split in (new, some):
        np.testing.assert_array_equal(split.parts["test"], whole.parts["test"])
    assert set(whole.settings) == {"origin", "horizon"}
    assert some.settings["rehearsal"] == 0.5
    for wrong in ({"rehearsal": 0.5}, {"since": 2000, "rehearsal": 1.0}, {"since": 2010}):
        with pytest.raises(UserError, match="--since") as refused:
            make_split("rolling", corpus, **options, **wrong)
        assert "None" not in str(refused.value)


@pytest.mark.parametrize("origin", [2000, 2010])
def test_rolling_trains_on_what_was_known_at_the_origin(origin: int, corpus: Corpus) -> None:
    parts = make_split("rolling", corpus, origin=origin, horizon=5, validation=0.1).parts
    years = corpus.column("release_date").str[:4].astype("float").to_numpy()
    assert years[parts["train"]].max() <= years[parts["validation"]].min()
    assert years[parts["validation"]].max() < origin
    assert set(years[parts["test"]]) == set(range(origin, origin + 5))
    assert sum(map(len, parts.values())) == np.nansum(years < origin + 5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "needs --origin"),
        ({"origin": 1700}, "0 tracks before 1700"),
        ({"origin": 2500}, "choose another --origin"),
        ({"origin": 2000, "horizon": 0}, "one or more"),
        ({"origin": 2000, "test": 0.2}, "remove --test"),
    ],
)
def test_an_origin_that_cannot_be(options: dict[str, Any], told: str, corpus: Corpus) -> None:
    with pytest.raises(UserError, match=told):
        make_split("rolling", corpus, **options)


def test_group_leaves_one_value_out(tmp_path: Path) -> None:
    tracks = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(30)],
            "popularity": np.arange(30.0),
            "language": (["en", "es", None] * 10),
            "genres": [["pop", "rock"] if n % 5 == 0 else ["rock"] for n in range(30)],
        }
    )
    corpus = make_corpus(tmp_path / "corpus", tracks)
    parts = make_split("group", corpus, by="language", held_out="es").parts
    assert parts["test"].tolist() == list(range(1, 30, 3))
    parts = make_split("group", corpus, by="genres", held_out="pop").parts
    assert parts["test"].tolist() == list(range(0, 30, 5))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(30))
    with pytest.raises(UserError, match=r"No track has 'fr' as language.*en \(10\), es \(10\)"):
        make_split("group", corpus, by="language", held_out="fr")
    with pytest.raises(UserError, match="needs --by"):
        make_split("group", corpus, held_out="fr")
    with pytest.raises(UserError, match="too few"):
        make_split("group", corpus, by="genres", held_out="rock")


@pytest.mark.parametrize(
    ("popularity", "test", "told"),
    [
        ([1, 50, 90], 0.0, "needs a tier with 3 tracks or more; the 3 tracks of this corpus"),
        ([1, 2, 3, 50, 51, 52], 0.2, "4 tracks are too few to put a share of 0.25 of each of 2"),
    ],
)
def test_stratified_on_a_handful_of_tracks_says_what_to_do(
    popularity: list[int], test: float, told: str, tmp_path: Path
) -> None:
    ids = [f"t{n}" for n in range(len(popularity))]
    few = make_corpus(
        tmp_path / "few", pd.DataFrame({"track_id": ids, "popularity": np.array(popularity, float)})
    )
    with pytest.raises(UserError, match=f"{told}.*--split random"):
        make_split("stratified", few, test=test, tiers=TIERS["tiers-3"])
