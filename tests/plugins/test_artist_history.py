"""`artist_history`: equal to a slow loop over the songs, and blind to the future."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import keras
import numpy as np
import pytest
from deephits_plugins.artist_history import ArtistHistory, ArtistHistoryConfig
from deephits_plugins.artist_history.base import artists_of
from deephits_plugins.artist_history.branch import FAR_YEARS, YEAR, EarlierSongs
from deephits_plugins.artist_history.history import History

from deephits_keras.corpus.days import span
from deephits_keras.tracks import Track

SONGS = 300


def songs(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(seed)
    first = draw.integers(50_000, 60_000, SONGS)
    artists = np.zeros((SONGS, 3), np.int32)
    artists[:, 0] = draw.integers(1, 30, SONGS)
    artists[::4, 1] = draw.integers(30, 40, len(artists[::4]))
    released = np.stack([first, first + draw.choice([0, 30, 364], SONGS)], axis=1).astype(np.int32)
    popularity = draw.uniform(0, 100, SONGS).astype(np.float32)
    return {"artists": artists, "released": released, "popularity": popularity}


def adapted(batch: dict[str, Any]) -> EarlierSongs:
    encoder = ArtistHistory(ArtistHistoryConfig(artists=3))
    half = SONGS // 2
    encoder.adapt(
        [{k: v[:half] for k, v in batch.items()}, {k: v[half:] for k, v in batch.items()}]
    )
    return EarlierSongs(encoder._songs, 2.0)


def slowly(batch: dict[str, Any], artists: Any, day: int) -> list[float]:
    """The same by the definition."""
    found = []
    for who in artists[artists > 0]:
        mine = [k for k in range(SONGS) if who in batch["artists"][k]]
        found.append([k for k in mine if batch["released"][k, 1] < day])
    every = [k for one in found for k in one]
    days, popularity = batch["released"][:, 1], batch["popularity"]
    far = FAR_YEARS
    if not every:
        return [0, 0, 0, 1, 1, 1, 0, 0]
    hits = [k for k in every if popularity[k] >= 65]
    gaps = [
        max(day - days[k] for k in every) / YEAR,
        min(day - days[k] for k in every) / YEAR,
        min((day - days[k] for k in hits), default=1e6) / YEAR,
    ]
    years = [min(gap, far) / far for gap in gaps]
    return [
        np.log1p(len(every)),
        np.mean(popularity[every]) / 100,
        max(popularity[every]) / 100,
        *years,
        float(gaps[2] <= 2.0),
        1.0,
    ]


@pytest.mark.backends
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_definition(seed: int) -> None:
    batch = songs(seed)
    layer = adapted(batch)
    got = keras.ops.convert_to_numpy(layer(batch["artists"], batch["released"]))
    pairs = zip(batch["artists"], batch["released"][:, 0], strict=True)
    wanted = [slowly(batch, artists, int(day)) for artists, day in pairs]
    # float32 sums of at most 300 popularities.
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-5)


def test_a_song_and_what_comes_later_change_nothing() -> None:
    batch = songs(0)
    day = 55_000
    before = batch["released"][:, 1] < day
    other = {**batch, "popularity": np.where(before, batch["popularity"], 100.0)}
    rows = np.flatnonzero(batch["released"][:, 0] <= day)
    queried = batch["artists"][rows], batch["released"][rows]
    told = [keras.ops.convert_to_numpy(adapted(b)(*queried)) for b in (batch, other)]
    np.testing.assert_array_equal(*told)
    assert (batch["popularity"] != other["popularity"]).any()


def test_artists_that_training_lacks_have_no_song() -> None:
    layer = adapted(songs(0))
    unknown = np.array([[999, 0, 0], [2**31 - 1, 998, 0]], np.int32)
    got = keras.ops.convert_to_numpy(layer(unknown, np.full((2, 2), 59_000, np.int32)))
    np.testing.assert_array_equal(got, [[0, 0, 0, 1, 1, 1, 0, 0]] * 2)


def test_the_layer_goes_through_its_configuration() -> None:
    batch = songs(0)
    layer = adapted(batch)
    again = EarlierSongs.from_config(layer.get_config())
    queried = batch["artists"], batch["released"]
    first, second = (np.asarray(one(*queried)) for one in (layer, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("damage", ["cut", "long", "starts", "bomb"])
def test_a_damaged_history_is_refused(damage: str) -> None:
    body = bytearray(zlib.decompress(base64.b64decode(History.empty().to_text())))
    if damage == "cut":
        body = body[:-1]
    elif damage == "long":
        body += b"\0"
    elif damage == "starts":
        body[-1] = 7
    else:
        body[:8] = b"\xff\xff\xff\x7f" * 2
    text = base64.b64encode(zlib.compress(bytes(body))).decode()
    with pytest.raises(ValueError, match="damaged"):
        History.from_text(text)


@pytest.mark.parametrize(
    ("date", "year", "days"),
    [
        ("2019-06-14", np.nan, 0),
        ("2019-02", np.nan, 27),
        ("2020-02", 1990.0, 28),
        ("2019", np.nan, 364),
        (None, 2020.0, 365),
        ("2019-13", np.nan, None),
        ("soon", np.nan, None),
        (None, np.nan, None),
    ],
)
def test_a_date_is_as_long_as_it_is_vague(date: Any, year: float, days: int | None) -> None:
    found = span(date, year)
    assert (found is None) == (days is None)
    assert found is None or found[1] - found[0] == days


def test_artists_are_keys_however_they_are_named() -> None:
    names = ({"artist_keys": ["a"]}, {"artist_name": " A "}, {"artist_ids": "['a']"})
    assert [artists_of(Track("t", fields=fields)) for fields in names] == [["a"]] * 3
    assert ArtistHistory().extract(Track("t", fields={"artist_name": "A"})) is None
    assert ArtistHistory().extract(Track("t", fields={"release_year": 1999.0})) is None


def test_planted_the_history_is_learned() -> None:
    """Popularity that follows the artist's earlier songs can be told from them alone."""
    draw = np.random.default_rng(0)
    level = draw.uniform(10, 90, 200)
    who = draw.integers(0, 200, 2000)
    artists = np.zeros((2000, 8), np.int32)
    artists[:, 0] = who + 1
    days = draw.integers(40_000, 80_000, 2000).astype(np.int32)
    popularity = np.clip(level[who] + draw.normal(0, 5, 2000), 0, 100).astype(np.float32)
    batch = {"artists": artists, "released": np.stack([days, days], 1), "popularity": popularity}
    trained = {name: values[:1500] for name, values in batch.items()}
    encoder = ArtistHistory()
    encoder.adapt([trained])
    inputs = {s.name: keras.Input(s.shape, dtype="int32") for s in encoder.feature_specs}
    keras.utils.set_random_seed(0)
    outputs = keras.layers.Dense(1, name="answer")(encoder.build(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.003), loss="mse")
    queried = {name: batch[name] for name in inputs}
    early = {name: values[:1500] for name, values in queried.items()}
    model.fit(early, popularity[:1500] / 100, epochs=15, batch_size=64, verbose=0)
    held_out = {name: values[1500:] for name, values in queried.items()}
    predicted = np.asarray(model.predict(held_out, verbose=0))[:, 0]
    assert np.corrcoef(predicted, popularity[1500:])[0, 1] > 0.85
