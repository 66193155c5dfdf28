"""`signals`: equal to its definition, blind to the release day and what comes after."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deephits_plugins.signals import Signals, SignalsConfig

from deephits_keras.corpus import Corpus, import_table
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track
from deephits_keras.training.workflow import plan_training

HEADER = "artist,track_id,date,name,value"


def written(folder: Path, *rows: str, header: str = HEADER) -> str:
    path = folder / "signals.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def numbers(encoder: Signals, track: Track) -> dict[str, float] | None:
    features = encoder.extract(track)
    if features is None:
        return None
    return dict(zip(encoder.columns, features["signals"].astype(float).tolist(), strict=True))


def a_table(seed: int) -> pd.DataFrame:
    """Observations of five artists and five tracks in 2018 to 2020, some of a month alone."""
    draw = np.random.default_rng(seed)
    count = 2_000
    days = [date(2018, 1, 1) + timedelta(days=int(n)) for n in draw.integers(0, 1095, count)]
    of_track = draw.random(count) < 0.3
    who = draw.integers(0, 5, count)
    return pd.DataFrame(
        {
            "artist": [f"Artist {n}" for n in who],
            "track_id": [f"t{n}" if own else None for n, own in zip(who, of_track, strict=True)],
            "date": [
                str(day)[:7] if vague else str(day)
                for day, vague in zip(days, draw.random(count) < 0.2, strict=True)
            ],
            "name": draw.choice(["plays", "mood"], count),
            "value": draw.lognormal(3, 2, count) - 5,
        }
    )


def slowly(table: pd.DataFrame, keys: list[str], track_id: str, release: str) -> list[float]:
    """The same by the definition, for windows of 10 and 200 days."""
    ends = pd.PeriodIndex(table["date"].str[:7], freq="M").end_time.normalize()
    exact = table["date"].str.len() == 10
    days = pd.Series(np.where(exact, table["date"], ends.strftime("%Y-%m-%d")))
    age = (pd.Timestamp(release) - pd.to_datetime(days)).dt.days
    found = []
    for name in ("mood", "plays"):
        rows = []
        for owner in ["", *keys]:
            own = table["track_id"] == track_id
            if owner:
                own = table["track_id"].isna() & (table["artist"].str.lower() == owner)
            mine = own & (table["name"] == name) & (age >= 1) & (age <= 200)
            if not mine.any():
                continue
            ages, values = age[mine], table["value"][mine]
            latest = values[ages == ages.min()].max()
            row = [latest, ages.min()]
            for length in (10, 200):
                near = ages <= length
                slope = np.nan
                if ages[near].nunique() > 1:
                    slope = -np.polyfit(ages[near], values[near], 1)[0]
                row += [near.sum(), values[near].mean() if near.any() else np.nan, slope]
            rows.append(row)
        every = np.array(rows)
        means = pd.DataFrame(every).mean()
        means[1] = every[:, 1].min()
        means[[2, 5]] = every[:, [2, 5]].sum(axis=0)
        found += means.tolist()
    return found


def test_equal_to_the_definition(tmp_path: Path) -> None:
    table = a_table(0)
    table.to_parquet(tmp_path / "signals.parquet")
    config = SignalsConfig(table=str(tmp_path / "signals.parquet"), windows=(10, 200))
    encoder = Signals(config)
    assert encoder.config.names == ("mood", "plays")
    for keys, track_id, release in (
        (["artist 0"], "t0", "2019-05-01"),
        (["artist 1", "artist 2"], "t3", "2019-01-01"),
        (["artist 4"], "elsewhere", "2020-02-29"),
    ):
        track = Track(track_id, fields={"artist_keys": keys, "release_date": release})
        wanted = slowly(table, keys, track_id, release)
        assert not np.isnan(wanted).all()
        got = encoder.extract(track)
        assert got is not None
        np.testing.assert_allclose(got["signals"], wanted, rtol=1e-4)


def test_the_release_day_and_what_comes_later_change_nothing(tmp_path: Path) -> None:
    table = a_table(0)
    tracks = [
        Track(f"t{n}", fields={"artist_keys": [f"artist {n}"], "release_date": "2019-06-15"})
        for n in range(5)
    ]
    tracks.append(Track("year", fields={"artist_keys": ["artist 0"], "release_year": 2019}))
    told = []
    for number, later in enumerate(("2019-06-15", "2019-06", "2019")):
        # Dated by the day of release, or by a month or year that may be after it.
        changed = pd.concat(
            [
                table[table["date"] < "2019"],
                table[table["date"] >= "2019-06-15"].assign(value=1e6 * number),
                pd.DataFrame(
                    {"artist": ["Artist 0", "New"], "date": later, "name": "plays", "value": 1e9}
                ),
            ]
        )
        changed.to_csv(tmp_path / f"{number}.csv", index=False)
        encoder = Signals(SignalsConfig(table=str(tmp_path / f"{number}.csv")))
        told.append([numbers(encoder, track) for track in tracks])
        new = {"artist_keys": ["new"], "release_date": "2019-06-15"}
        assert encoder.extract(Track("t", fields=new)) is None
    assert None not in told[0]
    for other in told[1:]:
        for one, two in zip(told[0], other, strict=True):
            assert one is not None
            np.testing.assert_array_equal(list(one.values()), list(two.values()))
    day_later = Track("t0", fields={"artist_keys": ["artist 0"], "release_date": "2019-06-16"})
    encoder = Signals(SignalsConfig(table=str(tmp_path / "0.csv")))
    after = numbers(encoder, day_later)
    assert after is not None
    assert after["plays: latest value"] > 1e8


def test_artists_go_by_ids_or_names_and_a_year_begins_on_its_first_day(tmp_path: Path) -> None:
    rows = ("Beyoncé,,2019-12-31,fans,7", ",song,2019-12,fans,9", "66CX,,2020-01-01,fans,8")
    encoder = Signals(SignalsConfig(table=written(tmp_path, *rows), windows=(30,)))
    for fields, latest in (
        ({"artist_name": " BEYONCE\u0301"}, 7),
        ({"artist_ids": ["x"], "artist_name": "Beyoncé"}, 7),
        ({"artist_ids": ["66CX"]}, None),
    ):
        found = numbers(encoder, Track("t", fields={**fields, "release_year": 2020}))
        assert (None if found is None else found["fans: latest value"]) == latest
    found = numbers(encoder, Track("song", fields={"release_year": 2020}))
    assert found is not None
    assert found["fans: latest value"] == 9
    assert encoder.extract(Track("song")) is None


@pytest.mark.parametrize(
    "given", ["7.0", " 7", "spotify:track:7", "https://open.spotify.com/track/7"]
)
def test_tracks_go_by_their_ids_as_an_import_reads_them(tmp_path: Path, given: str) -> None:
    rows = (f",{given},2019-12-01,fans,9", "Beyoncé,,2019-12-31,fans,7")
    encoder = Signals(SignalsConfig(table=written(tmp_path, *rows), windows=(90,)))
    found = numbers(encoder, Track("7", fields={"release_year": 2020}))
    assert found is not None
    assert found["fans: latest value"] == 9


def test_the_signals_of_training_stay_with_another_table(tmp_path: Path) -> None:
    old, new, less = (tmp_path / name for name in ("old", "new", "less"))
    for folder, names in ((old, ("b", "a")), (new, ("b", "c", "a")), (less, ("c", "a"))):
        folder.mkdir()
        written(folder, *(f"x,,2019-12-31,{name},{ord(name)}" for name in names))
    trained = Signals(SignalsConfig(table=str(old / "signals.csv"), windows=(7,)))
    later = Signals.from_stored(trained.get_config(), {"table": str(new / "signals.csv")})
    track = Track("t", fields={"artist_name": "x", "release_year": 2020})
    np.testing.assert_equal(numbers(trained, track), numbers(later, track))
    assert trained.fingerprint() != later.fingerprint()
    # A newer table is what it takes to predict newer songs; other windows are other numbers.
    before = trained.get_config(), trained.fingerprint()
    assert later.made_as(*before)
    assert not Signals(SignalsConfig(table=later.config.table, windows=(9,))).made_as(*before)
    lacking = Signals.from_stored(trained.get_config(), {"table": str(less / "signals.csv")})
    with pytest.raises(UserError, match="no signal named 'b'"):
        lacking.extract(track)
    (old / "signals.csv").unlink()
    with pytest.raises(UserError, match="Say where it is now: --signals PATH"):
        Signals.from_stored(trained.get_config(), {})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["who,date,name,value", "a,2019,x,1"], "no column artist or track_id"),
        (["artist,day,name,value", "a,2019,x,1"], "no column date. .* this one has artist, day"),
        ([HEADER], "no row with a value"),
        ([HEADER, "a,,2019,x,", "a,,2020,x,"], "no row with a value"),
        (
            [HEADER, "a,,2019,x,1", "a,,soon,x,1"],
            r"row 2 .* no date .*\('soon'\)",
        ),
        ([HEADER, "a,,2019,x,1", ",,2019,x,1"], "row 2 below the header names no artist"),
        ([HEADER, "a,,2019,,1"], "row 1 below the header has no name"),
        ([HEADER, "a,,2019,x,1", "a,,2019,x,many"], r"row 2 .* no number \('many'\)"),
        ([HEADER, "a,,2019,x,inf", ",,soon,x,1"], "row 1 .* no number .*and 2 more faults"),
        (
            [HEADER, "a,,02.08.2019,x,1"],
            "some dates .1. can't be read.*such as '02.08.2019'",
        ),
        ([HEADER, *(f"a,,2019,{n},1" for n in range(101))], "more than 100 signals, such as 0, 1"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(rows: list[str], said: str, tmp_path: Path) -> None:
    path = written(tmp_path, *rows[1:], header=rows[0])
    with pytest.raises(UserError, match=said):
        Signals(SignalsConfig(table=path))


def test_without_a_table_it_says_how_to_give_one() -> None:
    with pytest.raises(UserError, match="--signals FILE"):
        Signals().require_extractable()
    with pytest.raises(ValueError, match="ascend"):
        SignalsConfig(windows=(30, 7))


def made_up(folder: Path, shift: int) -> Path:
    """Songs as popular as the plays of their artist, told some days before (or after) release."""
    draw = np.random.default_rng(0)
    count = 300
    popularity = draw.integers(5, 95, count)
    release = [date(2015, 1, 1) + timedelta(days=int(n)) for n in draw.integers(0, 2000, count)]
    songs = pd.DataFrame(
        {
            "track_id": [f"t{n}" for n in range(count)],
            "popularity": popularity,
            "artist": [f"Artist {n}" for n in range(count)],
            "release_date": release,
        }
    )
    rows = [
        f"Artist {n},{day + timedelta(days=shift + more)},plays,{10 ** (popularity[n] / 20):.0f}"
        for n, day in enumerate(release)
        for more in (0, 3)
    ]
    # All are in the table, and something is known of each before its release.
    rows += [f"Artist {n},{day - timedelta(days=99)},plays,1" for n, day in enumerate(release)]
    folder.mkdir()
    songs.to_csv(folder / "songs.csv", index=False)
    import_table(folder / "songs.csv", folder / "corpus")
    written(folder, *rows, header="artist,date,name,value")
    return folder


SPLIT = {"kind": "random", "test": 0.3}


def trained(deephits: Any, folder: Path) -> pd.DataFrame:
    options = "--modalities signals --task regression --split random --test 0.3 --epochs 25"
    learning = "--batch-size 32 --max-learning-rate 0.01 --select loss --jobs 1"
    given = [*options.split(), *learning.split(), "--signals", folder / "signals.csv"]
    outcome = deephits("train", folder / "corpus", folder / "run", *given)
    assert outcome.code == 0, outcome.err
    return pd.read_parquet(folder / "run" / "predictions.parquet").query("part == 'test'")


def test_planted_signals_before_the_release_are_learned(tmp_path: Path, deephits: Any) -> None:
    known = trained(deephits, made_up(tmp_path / "before", shift=-20))
    assert known["popularity"].corr(known["predicted_popularity"]) > 0.9
    run = tmp_path / "before" / "run"
    config = json.loads((run / "config.json").read_text())["modalities"]["signals"]["config"]
    assert config["names"] == ["plays"]
    table = tmp_path / "later.csv"
    table.write_text("artist,date,name,value\nNew,2024-01-01,fans,3\nNew,2024-01-01,plays,50000\n")
    songs = ["--set", "artist_name=New", "--set", "release_date=2024-01-10", "--json"]
    predicted = deephits("predict", run, *songs, "--signals", table)
    assert predicted.code == 0, predicted.err
    assert json.loads(predicted.out)["popularity"] > 70
    # The docs tell to give a newer table: that is no reason to doubt.
    assert not [told for told in json.loads(predicted.out)["warnings"] if "differently" in told]
    (tmp_path / "new.csv").write_text("track_id,artist_name,release_date\nn,New,2024-01-10\n")
    for faulty, said in (
        (table, "no signal named 'plays'"),
        (tmp_path / "gone.csv", "isn't there"),
    ):
        if faulty is table:
            table.write_text("artist,date,name,value\nNew,2024-01-01,fans,3\n")
        told = deephits("predict", run, "--table", tmp_path / "new.csv", "--signals", faulty)
        assert told.code == 2
        assert said in told.err
        # Before anything is predicted.
        assert not told.out
    table.write_text("artist,date,name,value\nNew,2024-01-01,fans,3\nNew,2024-01-01,plays,50000\n")
    newer = tmp_path / "newer.csv"
    newer.write_text(
        (tmp_path / "before" / "signals.csv").read_text() + "Artist 0,2023-01-01,plays,1\n"
    )
    further: dict[str, Any] = {"start_from": run, "settings": {"signals": {"table": str(newer)}}}
    plan = plan_training(tmp_path / "before" / "corpus", tmp_path / "no", **further, split=SPLIT)
    assert plan.encoders["signals"].config.table == str(newer)
    further["settings"]["signals"]["windows"] = "7"
    with pytest.raises(UserError, match="windows of signals is"):
        plan_training(tmp_path / "before" / "corpus", tmp_path / "no", **further, split=SPLIT)
    explained = deephits("explain", run, *songs[:-1], "--signals", table)
    assert explained.code == 0, explained.err
    files = [path for path in run.rglob("*") if path.suffix in (".html", ".json")]
    assert any("plays: latest value" in path.read_text() for path in files)


def test_planted_signals_from_the_release_on_leave_all_tracks_alike(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "after", shift=0)
    encoder = Signals(SignalsConfig(table=str(folder / "signals.csv")))
    corpus = Corpus.open(folder / "corpus")
    found = [encoder.extract(track) for track in corpus.tracks(range(50))]
    rows = np.stack([features["signals"] for features in found if features])
    assert len(rows) == 50
    assert (rows[0] == rows)[:, ~np.isnan(rows[0])].all()


def test_a_table_of_others_is_told(tmp_path: Path, deephits: Any) -> None:
    folder = made_up(tmp_path / "others", shift=-20)
    written(folder, "Somebody,2014-01-01,plays,3", header="artist,date,name,value")
    given = ["--modalities", "signals", "--signals", folder / "signals.csv", "--jobs", "1"]
    outcome = deephits("train", folder / "corpus", folder / "run", *given)
    assert outcome.code == 2
    assert "is about none of the songs" in outcome.err
    assert "1 artist, such as 'somebody', from 2014-01-01 to 2014-01-01" in outcome.err
    assert "the songs have 'artist 0'" in outcome.err
    # Nothing is begun, so that the same command works with another table.
    assert not (folder / "run").exists()
    written(folder, "Artist 0,2031-01-01,plays,3", header="artist,date,name,value")
    outcome = deephits("train", folder / "corpus", folder / "run", *given)
    assert outcome.code == 2
    assert "No training track has a signal" in outcome.err


def test_how_many_of_a_table_are_of_no_track_is_told(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "songs", shift=-20)
    rows = [f"Artist {n},,2014-01-01,plays,3" for n in range(20)]
    rows += [f"Other {n},,2014-01-01,plays,3" for n in range(3)] + [",t0,2014-01-01,plays,3"]
    path = written(folder, *rows, ",gone,2014-01-01,plays,3", header=HEADER)
    plan = plan_training(
        folder / "corpus",
        tmp_path / "run",
        modalities="signals",
        settings={"signals": {"table": path}},
    )
    told = [note for note in plan.notes if note.startswith("signals: ")]
    assert told == [
        f"signals: 3 of 23 artists in {path} are of no track of this corpus, such as 'other 0'",
        f"signals: 1 of 2 tracks in {path} is of no track of this corpus: 'gone'",
    ]


def test_the_main_setting_is_named_as_its_modality() -> None:
    from deephits_keras.cli.common import _take_settings

    words = ["--signals=a.csv", "--signals-windows", "7", "--modalities", "signals"]
    settings, _ = _take_settings(words, ())
    assert settings == {"signals": {"table": "a.csv", "windows": "7"}}
    assert words == ["--modalities", "signals"]
    words = ["--signals", "a.csv"]
    assert _take_settings(words, ("--signals",)) == ({}, {})
    assert words == ["--signals", "a.csv"]
    with pytest.raises(UserError, match=r"signals \(table\) have no effect"):
        resolve_modalities("meta", {"signals": {"table": "a.csv"}})
