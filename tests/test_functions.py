"""Each verb of the command is a function: with the same defaults, and the same files on disk."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

import deephits_keras as dh
from deephits_keras.cli import cli
from deephits_keras.corpus import PAPER_FILTERS, make_split
from deephits_keras.evaluation import baselines
from deephits_keras.reproduction.choices import FAMILIES

PRINTING = {"as_json": None, "audio_dir": None}
FILES = {"inputs": "inputs", "audio": "audio"}
SONG = {"audio": "songs", "lyrics": "lyrics", "inputs": "inputs", "fields": "fields"}
FUSION = dict.fromkeys(("fusion", "fusion_weights", "head", "dropout"), "fusion")
TRAINING = dict.fromkeys(dh.TrainingConfig.__dataclass_fields__, "training") | {"seed": "seed"}
SPLIT = dict.fromkeys(inspect.signature(make_split).parameters, "split") | {"seed": "seed"}

VERBS: dict[str, tuple[Callable[..., Any], str, dict[str, str | None], set[str]]] = {
    "sample": (dh.make_sample, "folder", {"out": "folder"}, set()),
    "import table": (
        dh.import_table,
        "source folder",
        {
            "file": "source",
            "out": "folder",
            "artist_separator": "artist_separators",
            "raw_lyrics": "lyrics",
            "keep_sections": "lyrics",
            "detect_language": "lyrics",
        },
        set(),
    ),
    "import spotgentrack": (
        dh.import_spotgentrack,
        "source folder",
        {
            "folder": "source",
            "out": "folder",
            "lyrics_placeholder": "lyrics_placeholders",
            "no_filters": "filters",
        },
        set(),
    ),
    "extract": (dh.extract, "corpus", {}, {"settings"}),
    "train": (
        dh.train,
        "corpus run",
        # An interrupted training goes on by `training.workflow`; several devices are a command's.
        {**SPLIT, **TRAINING, **FUSION, "resume": None, "distribute": None, "origins": None},
        {"settings", "callbacks", "report"},
    ),
    "evaluate": (dh.evaluate, "run", {}, {"settings"}),
    "drift": (dh.drift, "run corpus", {}, {"settings"}),
    # Another run is asked by another call.
    "predict": (dh.predict, "model", {**SONG, "run": "model", "also": None}, {"settings"}),
    "embed": (dh.embed, "model", SONG, {"settings"}),
    "explain": (dh.explain, "run", {**SONG, "audio": "song"}, {"settings"}),
    "export": (dh.export_run, "run out", {}, {"settings"}),
    "reproduce": (
        dh.reproduce,
        "corpus out",
        {**TRAINING, **FUSION, "seeds": "seeds"},
        {"settings"},
    ),
    "compare": (dh.compare, "corpus out", {"wanted": "recipes"}, {"settings"}),
    "verify": (dh.verify, "folder", {}, set()),
}
"""By verb: the function, its arguments, other names of options, and what only a function has."""


def options_of(verb: str) -> dict[str, Any]:
    """What a verb takes where nothing but its arguments is given, by option."""
    command: click.Command = cli
    for word in verb.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    # Not parsed: folders among the arguments must be there.
    context = click.Context(command)
    return {
        str(p.name): p.type_cast_value(context, p.to_info_dict()["default"])
        for p in command.params
        if not (isinstance(p, click.Argument) and p.required) and p.expose_value
    }


def plain(value: Any) -> Any:
    """A default, where empty is empty."""
    if value in (None, (), {}, False):
        return None
    return value


@pytest.mark.parametrize("verb", VERBS)
def test_the_function_has_the_defaults_of_the_command(verb: str) -> None:
    function, arguments, names, own = VERBS[verb]
    parameters = inspect.signature(function).parameters
    names = {**PRINTING, **names}
    covered = {*arguments.split(), *own}
    for option, default in options_of(verb).items():
        name = names.get(option, option)
        if name is None:
            continue
        assert name in parameters, option
        covered.add(name)
        if name == "split":
            kind = make_split if option != "split" else None
            told = inspect.signature(kind).parameters[option].default if kind else "random"
            assert plain(default) == plain(told), option
        elif verb == "import spotgentrack" and name == "filters":
            assert (default, parameters[name].default) == (False, PAPER_FILTERS)
        elif verb == "compare" and isinstance(default, str):
            words = tuple(word for word in default.split(",") if word)
            assert words == parameters[name].default, option
        else:
            assert plain(default) == plain(parameters[name].default), option
    # `audio` is a former name of one of the inputs.
    assert covered - {"audio"} == set(parameters) - {"audio"}


def test_the_families_of_the_command_are_all_of_them() -> None:
    assert set(FAMILIES) == set(baselines.FAMILIES)


def test_importing_the_package_is_light_and_every_public_name_is_there() -> None:
    code = (
        "import sys, deephits_keras\n"
        "heavy = {'numpy', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(getattr(dh, name) for name in dh.__all__)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(3)
    pd.DataFrame(
        {
            "track_id": [f"t{n:02}" for n in range(60)],
            "popularity": rng.integers(0, 100, 60),
            "artist_popularity": rng.integers(0, 100, 60),
            "tempo": rng.uniform(60, 180, 60).round(1),
        }
    ).to_csv(folder / "songs.csv", index=False)
    return folder / "songs.csv"


def files_of(folder: Path) -> dict[str, Any]:
    """Every file of a folder; of those that tell the time or the command, what they have."""
    return {
        path.relative_to(folder).as_posix(): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def content(path: Path) -> Any:
    if path.name in ("checksums.json", "report.html", "reproduction.html", "importance.html"):
        return sorted(json.loads(path.read_text())) if path.suffix == ".json" else None
    if path.suffix == ".keras":
        return None
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    return path.read_bytes()


def without_times(values: Any) -> Any:
    if isinstance(values, dict):
        changing = {"command", "created", "seconds", "training_seconds", "corpus", "folder"}
        changing |= {"checksum", "sources"}
        return {k: without_times(v) for k, v in values.items() if k not in changing}
    if isinstance(values, list):
        return [without_times(value) for value in values]
    return values


def test_functions_and_command_leave_the_same_files(
    songs: Path,
    tmp_path: Path,
    deephits: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"numeric": {"columns": "tempo,artist_popularity"}}
    options = ("--numeric-columns", "tempo,artist_popularity")
    training = ("--epochs", "2", "--batch-size", "16")
    for words in (
        ("import", "table", songs, "typed/corpus"),
        ("extract", "typed/corpus", "--modalities", "meta=numeric", *options),
        ("train", "typed/corpus", "typed/run", "--modalities", "meta=numeric", *options, *training),
        ("predict", "typed/run", "--table", songs, "--out", "typed/predictions.csv"),
        ("embed", "typed/run", "--table", songs, "--out", "typed/embeddings.parquet"),
        ("explain", "typed/run"),
        ("explain", "typed/run", "--set", "tempo=120"),
        ("explain", "typed/run", "--track", "t03", "--out", "typed/why"),
        (
            "reproduce",
            "typed/corpus",
            "typed/tables",
            "--table",
            "A1,A3",
            "--modalities",
            "meta=numeric",
        ),
    ):
        told = deephits(*words)
        assert told.code == 0, told.err
    # The corpus of the run that was typed stays where it is told: both are of the same one.
    corpus = dh.import_table(songs, "called/corpus").corpus
    extracted = dh.extract("called/corpus", modalities="meta=numeric", settings=settings)
    run = dh.train(
        corpus,
        "called/run",
        modalities="meta=numeric",
        settings=settings,
        training={"epochs": 2, "batch_size": 16},
    )
    scored = dh.predict(run, table=songs, out="called/predictions.csv")
    embedded = dh.embed(run, table=songs, out="called/embeddings.parquet")
    used = dh.explain(run)
    why = dh.explain("called/run", fields={"tempo": 120})
    dh.explain(run, track_id="t03", out="called/why")
    tables = dh.reproduce(
        "called/corpus", "called/tables", tables=["A1", "A3"], modalities="meta=numeric"
    )

    typed, called = files_of(Path("typed")), files_of(Path("called"))
    assert set(typed) == set(called)
    assert [name for name in typed if typed[name] != called[name]] == []

    assert extracted.to_frame()["present"].tolist() == [60]
    assert extracted.summaries["meta"].present == 60
    frame = scored.to_frame()
    assert len(scored) == len(frame) == 60
    written = pd.read_csv("called/predictions.csv")
    assert list(frame) == list(written)
    assert np.allclose(frame["popularity"], written["popularity"])
    assert [each.track_id for each in scored] == frame["track_id"].tolist()
    assert set(used.to_frame()["field"]) == {"", "tempo", "artist_popularity"}
    assert set(why.to_frame()["part"]) >= {"tempo", "artist_popularity"}
    assert set(tables.to_frame()["table"]) >= {"A1", "A3"}
    metrics = dh.evaluate(run)["validation"]["tiers-10"]
    assert metrics == pytest.approx(run.metrics["parts"]["validation"]["tiers-10"], rel=1e-5)
    assert dh.verify("called/run").whole

    stored = dh.embed("called/run", corpus=corpus)
    assert embedded.names == stored.names == ("meta", "fused")
    assert embedded["meta"].shape == (60, 64)
    assert embedded["fused"].shape == (60, 128)
    for name in embedded.names:
        np.testing.assert_allclose(stored[name], embedded[name], rtol=1e-4, atol=1e-5)
    assert np.ptp(embedded["fused"], axis=0).max() > 0
    read = pd.read_parquet("called/embeddings.parquet")
    np.testing.assert_array_equal(np.stack(read["fused"].tolist()), embedded["fused"])
    alone = dh.embed("numeric", fields={"tempo": 120}, settings=settings)
    np.testing.assert_array_equal(alone["meta"], [[120, np.nan]])
    with pytest.raises(dh.UserError, match="which is no embedding: name a run"):
        dh.embed("mel_cnn", fields={"tempo": 120})

    one = dh.predict(run, fields={"tempo": 120, "artist_popularity": 50})
    same = dh.Track("a", fields={"tempo": 120.0, "artist_popularity": 50.0})
    assert [each.popularity for each in dh.predict(run, [same, same])] == [one[0].popularity] * 2
    with pytest.raises(dh.UserError, match="did you mean tempo"):
        dh.predict(run, fields={"tmpo": 120})
    with pytest.raises(dh.UserError, match="There is no file"):
        dh.predict(run, ["no-such.mp3"])
    with pytest.raises(dh.UserError, match="Give a song"):
        dh.predict(run)
    with pytest.raises(dh.UserError, match="of one song"):
        dh.predict(run, ["a.mp3", "b.mp3"], lyrics="words.txt")
