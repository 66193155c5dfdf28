"""Twelve kinds of bad input: each ends in a clear error or a rejected row, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

pytestmark = pytest.mark.usefixtures("eager")

Deephits = Callable[..., Any]
FRAMES = ("--mel-frames", "64")


def tone(path: Path, seconds: float = 4.0) -> None:
    times = np.arange(int(seconds * 22050)) / 22050
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * times), 22050, format="MP3")


def write_table(folder: Path, **changes: Any) -> Path:
    """A table of sixteen tracks with previews, with some columns changed or (None) left out."""
    audio = folder / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    ids = [f"t{n:02}" for n in range(16)]
    for track_id in ids:
        if not (audio / f"{track_id}.mp3").exists():
            tone(audio / f"{track_id}.mp3")
    table = pd.DataFrame(
        {
            "track_id": ids,
            "popularity": np.linspace(5, 95, 16).round(),
            "tempo": np.linspace(80, 160, 16),
            "artist_popularity": np.linspace(0, 100, 16),
        }
    )
    for name, value in changes.items():
        if value is None:
            table = table.drop(columns=name)
        else:
            table[name] = value(table[name].astype(object))
    table.to_csv(folder / "tracks.csv", index=False)
    return folder / "tracks.csv"


def with_first(value: Any) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    return lambda column: pd.Series([value, *column[1:]])


@pytest.fixture
def import_table(deephits: Deephits, tmp_path: Path) -> Callable[..., Any]:
    def run(**changes: Any) -> Any:
        table = write_table(tmp_path, **changes)
        return deephits(
            "import", "table", table, tmp_path / "corpus", "--audio", tmp_path / "audio"
        )

    return run


@pytest.fixture
def corpus(import_table: Callable[..., Any], tmp_path: Path) -> Path:
    assert import_table().code == 0
    return tmp_path / "corpus"


def rejected(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "rejected.csv", dtype=str)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("empty", lambda mp3: b""),
        ("truncated", lambda mp3: mp3[:400]),
        ("text renamed", lambda mp3: b"I am not music, I am a line of text.\n" * 50),
    ],
)
def test_an_audio_file_that_is_no_audio_is_rejected_and_the_others_go_on(
    kind: str, content: Callable[[bytes], bytes], corpus: Path, tmp_path: Path, deephits: Deephits
) -> None:
    broken = tmp_path / "audio" / "t03.mp3"
    broken.write_bytes(content(broken.read_bytes()))
    outcome = deephits("extract", corpus, "--modalities", "mel", "--json", *FRAMES)
    assert outcome.code == 0, outcome.err
    (store,) = (corpus / "features" / "mel_cnn").iterdir()
    failures = pd.read_csv(store / "rejected.csv")
    assert failures["track_id"].tolist() == ["t03"]
    assert "t03.mp3" in failures["reason"][0]


def test_a_missing_column_is_named_with_those_that_are_there(
    import_table: Callable[..., Any],
) -> None:
    outcome = import_table(popularity=None)
    assert outcome.code == 2
    assert "popularity" in outcome.err
    assert "artist_popularity" in outcome.err


def test_a_popularity_of_140_rejects_the_row(
    import_table: Callable[..., Any], tmp_path: Path
) -> None:
    assert import_table(popularity=with_first(140)).code == 0
    row = rejected(tmp_path / "corpus").iloc[0]
    assert (row["track_id"], row["field"]) == ("t00", "popularity")
    assert "140" in row["reason"]


def test_a_tempo_that_is_no_number_is_missing_and_no_text_gets_through(
    import_table: Callable[..., Any], tmp_path: Path
) -> None:
    assert import_table(tempo=with_first(np.nan)).code == 0
    tracks = pd.read_parquet(tmp_path / "corpus" / "tracks.parquet")
    assert len(tracks) == 16
    assert tracks["tempo"].isna().tolist() == [True] + [False] * 15
    assert import_table(tempo=with_first("allegro")).code == 0
    row = rejected(tmp_path / "corpus").iloc[0]
    assert (row["track_id"], row["field"]) == ("t00", "tempo")
    assert "allegro" in row["reason"]


def test_a_repeated_track_id_is_rejected_and_counted(
    import_table: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = import_table(track_id=with_first("t05"))
    assert outcome.code == 0
    assert "duplicate" in outcome.out.lower()
    assert rejected(tmp_path / "corpus")["track_id"].tolist() == ["t05"]


def test_an_unknown_modality_lists_the_known_ones(corpus: Path, deephits: Deephits) -> None:
    outcome = deephits("extract", corpus, "--modalities", "melody")
    assert outcome.code == 2
    assert "'melody'" in outcome.err
    assert "lyrics, mel, meta" in outcome.err


@pytest.mark.parametrize("verb", ["extract", "train"])
def test_a_folder_that_is_no_corpus_is_named(verb: str, tmp_path: Path, deephits: Deephits) -> None:
    (tmp_path / "photos").mkdir()
    words = [tmp_path / "photos"] + ([tmp_path / "run"] if verb == "train" else [])
    outcome = deephits(verb, *words)
    assert outcome.code == 2
    assert "photos" in outcome.err
    assert "corpus" in outcome.err


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path, deephits: Deephits) -> None:
    table = write_table(tmp_path)
    # A folder under a file can't be made by anybody, root included.
    outcome = deephits("import", "table", table, table / "corpus")
    assert outcome.code == 2
    assert "tracks.csv" in outcome.err


def test_a_run_with_an_unknown_encoder_says_what_to_install(
    corpus: Path, tmp_path: Path, deephits: Deephits
) -> None:
    run = tmp_path / "run"
    trained = deephits(
        "train", corpus, run, "--modalities", "meta", "--epochs", "1", "--batch-size", "8"
    )
    assert trained.code == 0, trained.err
    config = json.loads((run / "config.json").read_text())
    config["modalities"]["meta"] |= {"encoder": "zither", "distribution": "zithers"}
    (run / "config.json").write_text(json.dumps(config))
    outcome = deephits("predict", run, "--set", "tempo=100")
    assert outcome.code == 2
    assert "'zither'" in outcome.err
    assert "pip install zithers==" in outcome.err


def test_a_shard_with_a_flipped_byte_is_found_before_training_uses_it(
    corpus: Path, tmp_path: Path, deephits: Deephits
) -> None:
    train = ["train", corpus, tmp_path / "run", "--modalities", "meta=numeric", "--epochs", "1"]
    assert deephits("extract", corpus, "--modalities", "meta=numeric").code == 0
    (shard,) = corpus.rglob("part-*.npy")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    assert deephits(*train, "--batch-size", "8").code == 0
    assert shard.read_bytes() == whole


def test_a_damaged_shard_is_an_error_that_names_it_where_it_cannot_be_made_again(
    corpus: Path, tmp_path: Path, deephits: Deephits
) -> None:
    run = tmp_path / "run"
    words = ("--modalities", "meta=numeric", "--epochs", "1", "--batch-size", "8")
    assert deephits("train", corpus, run, *words).code == 0
    (shard,) = corpus.rglob("part-*.npy")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    outcome = deephits("evaluate", run)
    assert outcome.code != 0
    assert shard.name in outcome.err
