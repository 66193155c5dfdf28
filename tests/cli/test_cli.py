"""The command as a whole: help, what it imports, the list of encoders, exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import make_corpus

from deephits_keras.cli import VERBS
from deephits_keras.cli.common import print_table
from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import asked_track

Deephits = Callable[..., Any]
OLD_RUN = Path(__file__).parents[1] / "golden" / "run_of_0_1_0" / "run"

HEAVY = (
    "tensorflow",
    "keras",
    "keras_hub",
    "torch",
    "jax",
    "transformers",
    "pandas",
    "librosa",
    "numpy",
    "msgspec",
)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["encoders", "list"],
        ["encoders", "show", "mel_cnn"],
        ["--version"],
    ],
)
def test_what_only_tells_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from deephits_keras.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit as stop:\n"
        f"    heavy = set({HEAVY!r}) & set(sys.modules)\n"
        "    sys.exit(f'imported: {heavy}' if heavy or stop.code else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "verb",
    [*VERBS, "import table", "import spotgentrack", "encoders list", "essentia", "essentia fit"],
)
def test_every_verb_has_help_with_an_example(verb: str, deephits: Deephits) -> None:
    outcome = deephits(*verb.split(), "--help")
    assert outcome.code == 0
    assert f"deephits {verb.split()[0]}" in outcome.out.split("Example")[1]
    assert not re.search("^ +[A-Z]+$", outcome.out, re.MULTILINE), "an argument without a word"
    assert not re.search(r"-$", outcome.out, re.MULTILINE), "an option that is broken"
    assert not re.search(r"\w\.\.\.$", outcome.out, re.MULTILINE), "a sentence that is cut"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a distribution that adds a verb on the path."""

    def add(distribution: str, verb: str, code: str) -> None:
        module = distribution.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        (info / "entry_points.txt").write_text(
            f"[deephits_keras.commands]\n{verb} = {module}:command\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return add


CLICK = "import click\ncommand = click.Command('x', callback=lambda: click.echo('played'))\n"


def test_a_distribution_adds_a_verb(added: Callable[..., None], deephits: Deephits) -> None:
    added("zithers", "zither", CLICK)
    assert "zither    from zithers 1.2" in deephits("--help").out
    assert deephits("zither").out == "played\n"


def test_help_imports_no_added_verb(added: Callable[..., None], deephits: Deephits) -> None:
    added("zithers", "zither", "raise ImportError('no strings')")
    assert "zithers 1.2" in deephits("--help").out
    failed = deephits("zither")
    assert failed.code == 2
    assert "zithers 1.2" in failed.err
    assert "no strings" in failed.err


def test_an_added_verb_cannot_replace_one(added: Callable[..., None], deephits: Deephits) -> None:
    added("zithers", "train", CLICK)
    assert "zithers" not in deephits("--help").out
    assert "played" not in deephits("train").out


def test_two_distributions_with_one_verb_are_both_named(
    added: Callable[..., None], deephits: Deephits
) -> None:
    added("zithers", "zither", CLICK)
    added("harps", "zither", CLICK)
    failed = deephits("zither")
    assert failed.code == 2
    assert "harps 1.2, zithers 1.2" in failed.err


def test_an_added_verb_must_be_a_command(added: Callable[..., None], deephits: Deephits) -> None:
    added("zithers", "zither", "command = 3")
    failed = deephits("zither")
    assert failed.code == 2
    assert "not a click command" in failed.err


def test_the_encoders_are_listed_with_where_they_come_from(deephits: Deephits) -> None:
    rows = {row["encoder"]: row for row in json.loads(deephits("encoders", "list", "--json").out)}
    assert {"mel_cnn", "bert_lyrics", "numeric"} <= set(rows)
    assert rows["mel_cnn"]["modality"] == "mel"
    assert rows["mel_cnn"]["target"] == "deephits_plugins.mel_cnn:MelCNN"
    assert rows["mel_cnn"]["distribution"] == "deephits-keras"
    assert rows["mel_cnn"]["distribution_version"] == "0.1.0"
    assert rows["mel_cnn"]["state"] == "ok"
    text = deephits("encoders", "list").out
    for row in rows.values():
        assert row["encoder"] in text
        assert row["summary"] in " ".join(text.split())


def test_at_80_columns_nothing_that_is_copied_is_cut(
    deephits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group, key in (("encoders", "encoder"), ("recipes", "name"), ("importers", "importer")):
        listed = deephits(group, "list").out
        assert max(map(len, listed.splitlines())) <= 80
        words = listed.split()
        for row in json.loads(deephits(group, "list", "--json").out):
            assert row[key] in words
    listed = deephits("encoders", "list").out
    for name in ("essentia_descriptors", "numeric"):
        assert name in listed
        shown = deephits("encoders", "show", name)
        settings = json.loads(deephits("encoders", "show", name, "--json").out)["settings"]
        for setting in settings:
            assert f"--{name}-{setting['setting']}".replace("_", "-") in shown.out
            if isinstance(setting["default"], list):
                assert f"[default: {','.join(map(str, setting['default']))}]" in shown.out


def test_a_table_that_is_too_wide_for_a_terminal_loses_its_lines_and_no_letter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    columns = ("modality", "encoder", "fingerprint", "present", "missing", "failed", "extracted")
    row = ("essentia", "essentia_descriptors", "11554905dc10", 93, 16, 0, 109)
    print_table("Features", columns, [row])
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == [str(cell) for cell in row]


def test_an_encoder_is_shown_with_its_settings(deephits: Deephits) -> None:
    shown = deephits("encoders", "show", "mel_cnn").out
    for option in ("--mel-cnn-frames", "--mel-cnn-hop-length", "--mel-cnn-decoder"):
        assert option in shown
    as_json = json.loads(deephits("encoders", "show", "mel_cnn", "--json").out)
    defaults = {row["setting"]: row["default"] for row in as_json["settings"]}
    assert defaults["frames"] == 1292


def test_an_unknown_encoder_names_those_there_are(deephits: Deephits) -> None:
    outcome = deephits("encoders", "show", "zither")
    assert outcome.code == 2
    assert "numeric" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["sing"],
        ["build"],
        ["build", "--modalities", "mel,smell"],
        ["build", "--modalities", "mel,mel"],
        ["build", "--modalities", "mel", "--task", "tiers-7"],
        ["build", "--modalities", "mel", "--fusion", "cold"],
        ["build", "--modalities", "mel", "--mel-frames", "many"],
        ["build", "--modalities", "mel", "--mel-colour", "red"],
        ["build", "--modalities", "mel", "--out", "model.txt"],
        ["predict", "run"],
        ["predict", "run", "no-such-song.mp3"],
        ["import", "table", "no-such-table.csv", "corpus"],
        ["train", "no-such-corpus", "run"],
    ],
)
def test_a_mistake_of_the_user_is_told_with_exit_code_2(words: list[str], deephits) -> None:
    outcome = deephits(*words)
    assert outcome.code == 2
    assert outcome.err.strip()
    assert "Traceback" not in outcome.err


def test_a_folder_of_another_kind_is_told_with_what_it_is(tmp_path: Path, deephits) -> None:
    for name in ("corpus.json", "config.json", "songs.csv"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("{}")
    run, corpus, songs = tmp_path / "config", tmp_path / "corpus", tmp_path / "songs"
    for words, told in (
        (("train", run, tmp_path / "new"), "is not a corpus: it has no corpus.json. It is a run"),
        (("train", songs, tmp_path / "new"), "`deephits import` makes a corpus"),
        (("train", tmp_path / "gone", tmp_path / "new"), "There is no folder"),
        (("evaluate", corpus), "is not a deephits run: it has no config.json. It is a corpus"),
        (("predict", songs, "--set", "tempo=120"), "`deephits train` makes a run"),
        (("verify", tmp_path / "gone"), "There is no folder"),
        (("predict", run, tmp_path / "gone.mp3"), "There is no file"),
        (("predict", run, songs), "is a folder, where the file of one song is needed"),
        (("predict", run, "--lyrics", tmp_path / "gone.txt"), "There is no file"),
        (("predict", run, "--table", tmp_path / "gone.csv"), "There is no file"),
        (
            ("predict", run, "--table", songs, "--input-dir", "audio=gone"),
            "There is no folder gone",
        ),
    ):
        outcome = deephits(*words)
        assert outcome.code == 2
        assert told in outcome.err, words


def test_a_misspelt_name_is_answered_with_the_right_one(tmp_path: Path, deephits) -> None:
    (tmp_path / "corpus.json").write_text("{}")
    for words, meant in (
        (("trian",), "train"),
        (("import", "musicosett", "a", "b"), "musicoset"),
        (("train", tmp_path, "run", "--meta-column", "tempo"), "--meta-columns"),
        (("build", "--modalities", "mel=mel_cn"), "mel_cnn"),
        (("build", "--modalities", "mel", "--fusion-weights", "mel=much"), "--fusion-weights"),
    ):
        outcome = deephits(*words)
        assert outcome.code == 2
        assert meant in outcome.err, words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["train", "CORPUS", "new", "--mel-frames", "x"],
            "--mel-frames must be a whole number. Rec",
        ),
        (["extract", "CORPUS", "--mel_cnn-frames=0"], "--mel_cnn-frames must be from 1 to"),
        (["extract", "CORPUS", "--mel-crop", "end"], "--mel-crop must be one of center, start"),
        (["train", "CORPUS", "new", "--l2", "-1"], "--l2 must be"),
        (["train", "CORPUS", "new", "--dropout", "2"], "--dropout must be"),
        (["compare", "CORPUS", "new", "--mel-frames", "x"], "--mel-frames must be a whole number"),
        (
            ["predict", "RUN", "--set", "tempo=99", "--mel-frames", "x"],
            "--mel-frames must be a whole number",
        ),
    ],
)
def test_a_wrong_setting_is_told_by_its_option(
    words: list[str], told: str, tmp_path: Path, deephits: Deephits, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path / "corpus", 30)
    places = {"CORPUS": tmp_path / "corpus", "RUN": OLD_RUN}
    outcome = deephits(*(places.get(word, word) for word in words))
    assert outcome.code == 2
    assert outcome.err.startswith(f"deephits: {told}"), outcome.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sample", "new", "--tracks", "many"], "'--tracks': 'many' is not a whole number."),
        (
            ["train", "a", "b", "--batch-size", "1.5"],
            "'--batch-size': '1.5' is not a whole number.",
        ),
        (["sample", "new", "--seconds", "few"], "'--seconds': 'few' is not a number."),
    ],
)
def test_no_type_is_called_as_in_python(words: list[str], told: str, deephits: Deephits) -> None:
    outcome = deephits(*words)
    assert outcome.code == 2
    assert told in outcome.err


def test_a_wrong_setting_of_a_run_is_told_by_its_place(tmp_path: Path, deephits: Deephits) -> None:
    shutil.copytree(OLD_RUN, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["modalities"]["mel"]["config"]["frames"] = "many"
    path.write_text(json.dumps(config))
    outcome = deephits("predict", tmp_path / "run", "--set", "tempo=120")
    assert outcome.code == 2
    place = (
        f"{path} is damaged: modalities.mel.config: frames must be a whole number. Received: 'many'"
    )
    assert place in outcome.err


def test_lyrics_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write("oh oh\n")
    assert asked_track(lyrics=Path(f"/dev/fd/{reading}")).lyrics == "oh oh"
    os.close(reading)


def test_a_folder_is_no_lyrics(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        asked_track(lyrics=tmp_path)
