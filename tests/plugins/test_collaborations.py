"""`collaborations`: equal to its definition, and blind to the future."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from deephits_plugins.artist_history.base import number_of
from deephits_plugins.collaborations import Collaborations, CollaborationsConfig
from deephits_plugins.collaborations.branch import SIZE, ArtistVectors, EarlierCollaborations
from deephits_plugins.collaborations.graph import CHANGE, DAMPING, CollaborationGraph
from deephits_plugins.collaborations.vectors import CHANGE as VECTOR_CHANGE
from deephits_plugins.collaborations.vectors import STEPS, directions
from sklearn.neighbors import KNeighborsRegressor

from deephits_keras.corpus import import_table
from deephits_keras.corpus.days import EPOCH
from deephits_keras.errors import UserError

SONGS, ARTISTS = 240, 25


def day_of(year: int, day: int = 0) -> int:
    return int((np.datetime64(f"{year}-01-01") - np.datetime64(EPOCH)).astype(int)) + day


def songs(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Songs of one to three artists of 1990 to 2010, some dated by the year alone."""
    draw = np.random.default_rng(seed)
    artists = np.zeros((SONGS, 3), np.int32)
    for row in artists:
        count = draw.choice([1, 2, 3], p=[0.6, 0.3, 0.1])
        row[:count] = draw.choice(np.arange(1, ARTISTS + 1), count, replace=False)
    first = np.array([day_of(year) for year in draw.integers(1990, 2011, SONGS)])
    vague = draw.random(SONGS) < 0.5
    first[~vague] += draw.integers(0, 364, (~vague).sum())
    released = np.stack([first, np.where(vague, first + 364, first)], axis=1).astype(np.int32)
    popularity = draw.uniform(0, 100, SONGS).astype(np.float32)
    return {"artists": artists, "released": released, "popularity": popularity}


def adapted(batch: dict[str, Any]) -> EarlierCollaborations:
    encoder = Collaborations(CollaborationsConfig(artists=3))
    half = SONGS // 2
    encoder.adapt(
        [{k: v[:half] for k, v in batch.items()}, {k: v[half:] for k, v in batch.items()}]
    )
    return EarlierCollaborations(encoder._graph)


def years(days: Any) -> Any:
    return (np.datetime64(EPOCH) + np.asarray(days, np.int64)).astype("M8[Y]").astype(int)


def slowly(batch: dict[str, Any], artists: Any, day: int) -> list[float]:
    """The same by the definition: loops, and PageRank from its linear equations."""
    before = np.flatnonzero(years(batch["released"][:, 1]) < years(day))
    together = np.zeros((ARTISTS + 1, ARTISTS + 1))
    own: dict[int, list[float]] = {}
    joint = np.zeros(ARTISTS + 1)
    for song in before:
        who = [a for a in batch["artists"][song].tolist() if a]
        for artist in who:
            own.setdefault(artist, []).append(float(batch["popularity"][song]))
            joint[artist] += len(who) > 1
        for one, other in combinations(who, 2):
            together[one, other] += 1
            together[other, one] += 1
    nodes = np.flatnonzero(together.sum(axis=1))
    graph = together[np.ix_(nodes, nodes)]
    spread = np.eye(len(nodes)) - DAMPING * graph / graph.sum(axis=0)
    ranks = dict(zip(nodes, np.linalg.solve(spread, np.full(len(nodes), 1 - DAMPING)), strict=True))
    named = [a for a in artists if a]
    known = [a for a in named if a in ranks]
    if not known:
        return [np.log1p(len(named)), *[0.0] * (SIZE - 1)]
    degrees, means, bests = [], [], []
    for artist in known:
        weights = together[artist]
        others = np.flatnonzero(weights).tolist()
        mean = {other: np.mean(own[other]) for other in others}
        degrees.append(np.log1p(len(others)))
        means.append(sum(weights[o] * mean[o] for o in others) / weights.sum() / 100)
        bests.append(max(mean.values()) / 100)
    return [
        np.log1p(len(named)),
        len(known) / len(named),
        float(np.mean(degrees)),
        max(degrees),
        max(np.log1p(joint[a]) for a in known),
        max(np.log(ranks[a]) for a in known),
        float(np.mean(means)),
        max(bests),
        1.0,
    ]


def looked_up(layer: EarlierCollaborations, artists: Any, released: Any) -> Any:
    return keras.ops.convert_to_numpy(layer(artists, released))


@pytest.mark.backends
@pytest.mark.parametrize("seed", range(2))
def test_equal_to_the_definition(seed: int) -> None:
    batch = songs(seed)
    got = looked_up(adapted(batch), batch["artists"], batch["released"])
    pairs = zip(batch["artists"], batch["released"][:, 0], strict=True)
    wanted = np.array([slowly(batch, artists, int(day)) for artists, day in pairs])
    assert (wanted[:, -1] > 0).mean() > 0.5
    # A row is stored anew if a statistic has changed by more than this.
    np.testing.assert_allclose(got, wanted, atol=CHANGE + 1e-3)


def test_a_song_its_year_and_what_comes_later_change_nothing() -> None:
    batch = songs(0)
    other = songs(1)
    year = 2001
    later = years(batch["released"][:, 1]) >= year - 1970
    # Later songs have other artists, others' popularity and other dates of these years.
    shifted = np.clip(batch["released"] + 30, day_of(year), None)
    changed = {
        "artists": np.where(later[:, None], other["artists"], batch["artists"]),
        "released": np.where(later[:, None], shifted, batch["released"]).astype(np.int32),
        "popularity": np.where(later, 100.0, batch["popularity"]).astype(np.float32),
    }
    # And there are artists who hadn't recorded before.
    changed["artists"][np.flatnonzero(later)[:20], 0] += 100
    rows = np.flatnonzero(years(batch["released"][:, 0]) <= year - 1970)
    queried = batch["artists"][rows], batch["released"][rows]
    told = [looked_up(adapted(b), *queried) for b in (batch, changed)]
    np.testing.assert_array_equal(*told)
    everything = batch["artists"], batch["released"]
    now = [looked_up(adapted(b), *everything) for b in (batch, changed)]
    assert (now[0] != now[1]).any()


def test_collaborators_of_earlier_years_are_found() -> None:
    """Newcomers are as popular as the stars that they recorded with a year before."""
    draw = np.random.default_rng(3)
    stars = draw.uniform(0, 100, 40).astype(np.float32)
    newcomer = np.arange(40, dtype=np.int32)
    star = newcomer % 40 + 1
    alone = np.stack([star, np.zeros(40, np.int32)], axis=1)
    duets = np.stack([star, newcomer + 100], axis=1)
    days = np.repeat([day_of(1999), day_of(2000)], 40)
    encoder = Collaborations(CollaborationsConfig(artists=2))
    encoder.adapt(
        [
            {
                "artists": np.concatenate([alone, duets]).astype(np.int32),
                "released": np.stack([days, days], axis=1).astype(np.int32),
                "popularity": np.concatenate([stars, stars]),
            }
        ]
    )
    layer = EarlierCollaborations(encoder._graph)
    next_songs = np.stack([newcomer + 100, np.zeros(40, np.int32)], axis=1)
    found = looked_up(layer, next_songs, np.full((40, 2), day_of(2001), np.int32))
    np.testing.assert_allclose(found[:, 6], stars / 100, rtol=1e-5)
    of_the_duet = looked_up(layer, duets, np.full((40, 2), day_of(2000, 20), np.int32))
    np.testing.assert_array_equal(of_the_duet[:, 1:], 0)


def test_songs_of_single_artists_have_no_graph() -> None:
    batch = songs(0)
    batch["artists"][:, 1:] = 0
    got = looked_up(adapted(batch), batch["artists"], batch["released"])
    np.testing.assert_allclose(got, [[np.log(2), *[0] * (SIZE - 1)]] * SONGS, rtol=1e-6)


def test_the_layer_goes_through_its_configuration() -> None:
    batch = songs(0)
    layer = adapted(batch)
    again = EarlierCollaborations.from_config(layer.get_config())
    queried = batch["artists"], batch["released"]
    np.testing.assert_array_equal(looked_up(layer, *queried), looked_up(again, *queried))
    with pytest.raises(ValueError, match="damaged"):
        CollaborationGraph.from_text(layer.graph[:-8])


def rows_of(*pairs: tuple[str, str, str]) -> str:
    return "\n".join(["artist,collaborator,date", *map(",".join, pairs)]) + "\n"


def with_edges(path: Path) -> EarlierCollaborations:
    """The graph of two artists' own songs and of a table: A sings alone, B too, C nowhere."""
    encoder = Collaborations(CollaborationsConfig(artists=1, edges=str(path)))
    songs = np.array([[number_of("a")], [number_of("b")]], np.int32)
    days = np.full((2, 2), day_of(1999), np.int32)
    worth = np.array([30.0, 90.0], np.float32)
    encoder.adapt([{"artists": songs, "released": days, "popularity": worth}])
    return EarlierCollaborations(encoder._graph)


def test_a_table_adds_collaborations_that_count_from_the_next_year(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(rows_of(("A", "B", "2000"), ("a", "C", "2001-05-01")))
    layer = with_edges(path)
    a = np.array([[number_of("a")]] * 3, np.int32)
    days = np.array([[day_of(year, 3)] * 2 for year in (2000, 2001, 2002)], np.int32)
    found = looked_up(layer, a, days)
    degree, joint, neighbours, best = found[:, 2], found[:, 4], found[:, 6], found[:, 7]
    np.testing.assert_allclose(degree, np.log1p([0, 1, 2]), rtol=1e-5)
    np.testing.assert_allclose(joint, np.log1p([0, 1, 2]), rtol=1e-5)
    # C has no song of its own: it says nothing of how popular A's collaborators are.
    np.testing.assert_allclose(neighbours, [0, 0.9, 0.9], rtol=1e-5)
    np.testing.assert_allclose(best, [0, 0.9, 0.9], rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("artist,with,date\na,b,2000\n", "has no column collaborator"),
        (rows_of(("a", "b", "soon")), r"row 1 below the header has no date .*\('soon'\)"),
        (rows_of(("a", "b", "")), r"row 1 below the header has no date .*\(''\)"),
        (
            rows_of(("a", "b", "2001"), ("a", "b", "03/04/2009")),
            r"some dates \(1\) can't be read, or in two ways, such as '03/04/2009'",
        ),
        (
            rows_of(("a", "b", "2000"), ("", "b", "2000")),
            "row 2 below the header has no artist",
        ),
        (rows_of(("x", "y", "2000")), "is one of the training songs' artists"),
        (rows_of(), "has no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        with_edges(tmp_path / "edges.csv")


def test_a_table_is_compared_with_the_songs_before_a_training(
    tmp_path: Path, deephits: Any
) -> None:
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(30)],
            "popularity": range(30),
            "artist_ids": [f"id{n}" for n in range(30)],
            "artist_name": [f"Artist {n}" for n in range(30)],
            "release_year": range(1990, 2020),
        }
    )
    songs.to_csv(tmp_path / "songs.csv", index=False)
    corpus, edges = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus, "edges.csv"

    def train(*rows: tuple[str, str, str]) -> Any:
        (tmp_path / edges).write_text(rows_of(*rows))
        words = ["--modalities", "social", "--social-edges", tmp_path / edges]
        return deephits("train", corpus.folder, tmp_path / "run", *words)

    for rows, said in (
        ([("Artist 1", "Artist 2", "2000")], "names 'artist 1', the songs 'id0'"),
        ([("id1", "id2", "soon")], "row 1 below the header has no date"),
    ):
        outcome = train(*rows)
        assert outcome.code == 2
        assert said in outcome.err
        # Neither features nor a run: the same command works with another table.
        assert not (tmp_path / "run").exists()
        assert not list(corpus.folder.glob("features/*"))
    (tmp_path / edges).write_text(rows_of(("id1", "x", "2000"), ("id1", "y", "2000")))
    encoder = Collaborations(CollaborationsConfig(edges=str(tmp_path / edges)))
    assert encoder.match_files(corpus.tracks(range(30))) == (
        f"2 of 3 artists in {tmp_path / edges} are of no track of this corpus, such as 'x'",
    )
    assert Collaborations().match_files(corpus.tracks(range(30))) == ()


def vectors_of(batch: dict[str, Any], size: int) -> ArtistVectors:
    encoder = Collaborations(CollaborationsConfig(artists=batch["artists"].shape[1], vectors=size))
    encoder.adapt([batch])
    return ArtistVectors(encoder._vectors, size)


@pytest.mark.backends
def test_vectors_are_those_of_a_walk_on_the_graph_of_earlier_years() -> None:
    batch, size = songs(0), 6
    layer = vectors_of(batch, size)
    released = np.full((ARTISTS, 2), day_of(2005, 40), np.int32)
    alone = np.zeros((ARTISTS, 3), np.int32)
    alone[:, 0] = np.arange(1, ARTISTS + 1)
    got = looked_up(layer, alone, released)
    together = np.zeros((ARTISTS, ARTISTS))
    for song in np.flatnonzero(years(batch["released"][:, 1]) < 2005 - 1970):
        for one, other in combinations([a - 1 for a in batch["artists"][song] if a], 2):
            together[one, other] += 1
            together[other, one] += 1
    known = together.sum(axis=1) > 0
    chance = together / np.maximum(together.sum(axis=1, keepdims=True), 1)
    place = directions(np.arange(1, ARTISTS + 1), size).astype(float)
    for _ in range(STEPS):
        place = np.where(known[:, None], (chance @ place + place) / 2, 0)
        place /= np.maximum(np.linalg.norm(place, axis=1, keepdims=True), 1e-9)
    assert known.sum() > 10
    np.testing.assert_allclose(got, place, atol=VECTOR_CHANGE + 1e-3)
    pair = np.array([[1, 2, 0]], np.int32)
    np.testing.assert_allclose(
        looked_up(layer, pair, released[:1])[0], got[:2].mean(axis=0), atol=1e-6
    )


def test_later_songs_change_no_vector() -> None:
    batch, year = songs(0), 2001
    later = years(batch["released"][:, 1]) >= year - 1970
    artists = np.where(later[:, None], songs(1)["artists"] + 1, batch["artists"])
    # There are artists of smaller and larger numbers who hadn't recorded before.
    artists[np.flatnonzero(later)[:20], 0] += 100
    changed = {**batch, "artists": artists.astype(np.int32)}
    rows = np.flatnonzero(years(batch["released"][:, 0]) <= year - 1970)
    queried = batch["artists"][rows], batch["released"][rows]
    told = [looked_up(vectors_of(b, 8), *queried) for b in (batch, changed)]
    np.testing.assert_array_equal(*told)
    assert np.abs(told[0]).max() > 0.3


def test_planted_communities_are_learned_from_vectors() -> None:
    """Songs are as popular as their artists' circle, which no number of the graph tells."""
    draw = np.random.default_rng(0)
    circles, members, count = 4, 40, 1_200
    of_circle = draw.integers(0, circles, count)
    pairs = draw.integers(0, members, (count, 2)) + members * of_circle[:, None] + 1
    years_of = draw.integers(2000, 2010, count)
    days = np.array([day_of(year) for year in years_of], np.int32)
    popularity = np.array([20.0, 75.0, 40.0, 60.0])[of_circle].astype(np.float32)
    batch = {
        "artists": pairs.astype(np.int32),
        "released": np.stack([days, days], axis=1),
        # What collaborators' songs tell of popularity is noise: only the place in the graph isn't.
        "popularity": draw.permutation(popularity),
    }
    late = years_of >= 2007
    queried = batch["artists"], batch["released"]
    scores = []
    encoder = Collaborations(CollaborationsConfig(artists=2))
    encoder.adapt([batch])
    for layer in (EarlierCollaborations(encoder._graph), vectors_of(batch, 16)):
        table = looked_up(layer, *queried)
        fitted = KNeighborsRegressor(15).fit(table[~late], popularity[~late])
        scores.append(np.corrcoef(fitted.predict(table[late]), popularity[late])[0, 1])
    assert scores[0] < 0.5
    assert scores[1] > 0.9


def test_vectors_go_through_their_configuration_and_are_none_by_default() -> None:
    layer = vectors_of(songs(0), 4)
    again = ArtistVectors.from_config(layer.get_config())
    queried = songs(0)["artists"], songs(0)["released"]
    np.testing.assert_array_equal(looked_up(layer, *queried), looked_up(again, *queried))
    plain, wide = Collaborations(), Collaborations(CollaborationsConfig(vectors=4))
    assert plain.fingerprint() == wide.fingerprint()
    inputs = {s.name: keras.Input(s.shape, dtype=s.dtype) for s in plain.feature_specs}
    sizes = [
        keras.Model(inputs, e.build(inputs)).get_layer("dense_1").kernel.shape[0]
        for e in (plain, wide)
    ]
    assert sizes == [SIZE, SIZE + 4]
    with pytest.raises(ValueError, match="from 0 to 256"):
        CollaborationsConfig(vectors=1_000)
