"""Features depend on the inputs that their encoder declares, and on nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import Declared, Toy, make_corpus

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.contract import ModalityEncoder
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, as_declared, inputs_of
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features
from deephits_keras.features.shards import store_folder
from deephits_keras.features.store import FeatureStore
from deephits_keras.tracks import Track
from deephits_keras.verification import verify


def extract(corpus: Corpus, encoder: Any = None, **options: Any) -> int:
    summary = extract_features(corpus, encoder or Declared(), jobs=1, shard_size=4, **options)
    return summary.extracted


def levels(corpus: Corpus) -> list[int]:
    features, _ = FeatureStore.open(corpus, Declared()).gather(range(len(corpus)))
    return features["count"][:, 0].tolist()


@pytest.fixture
def audio(tmp_path: Path) -> dict[int, str]:
    """Recordings of six tracks, told apart by their first byte."""
    paths = {row: tmp_path / f"{row}.mp3" for row in range(6)}
    for row, path in paths.items():
        path.write_bytes(bytes([row + 1]) * 10)
    return {row: str(path) for row, path in paths.items()}


@pytest.fixture
def corpus(tmp_path: Path, audio: dict[int, str]) -> Corpus:
    made = make_corpus(tmp_path / "corpus", 6, audio=audio)
    assert extract(made) == 6
    return made


def exchange(path: str, *, keep_time: bool = False) -> None:
    """Put another recording of the same name and size in its place."""
    before = Path(path).stat()
    Path(path).write_bytes(b"c" * 10)
    times = (before.st_atime_ns, before.st_mtime_ns + (0 if keep_time else 10**9))
    os.utime(path, ns=times)


def test_a_new_column_and_other_lyrics_leave_the_features_of_other_inputs_alone(
    corpus: Corpus, audio: dict[int, str]
) -> None:
    assert extract(corpus, Toy()) == 6
    other = {"lyrics": ["la"] * 6, "mood": range(6)}
    changed = make_corpus(corpus.folder, 6, audio=audio, more=other)
    assert extract(changed) == 0
    # What declares nothing may read anything.
    assert extract(changed, Toy()) == 6
    assert extract(make_corpus(corpus.folder, 6, {1: "lacking"}, audio=audio)) == 4


def test_a_recording_of_the_same_name_and_size_is_noticed_by_its_time(
    corpus: Corpus, audio: dict[int, str], deephits: Callable[..., Any]
) -> None:
    assert levels(corpus) == [1, 2, 3, 4, 5, 6]
    exchange(audio[4])
    [finding] = verify(corpus.folder).findings
    assert finding.state == "unfinished"
    assert "part-00001.json" in finding.file
    assert "track t4: audio has changed since" in finding.problem
    assert deephits("verify", corpus.folder).code == 1
    assert extract(corpus) == 2
    assert levels(corpus) == [1, 2, 3, 4, ord("c"), 6]
    assert verify(corpus.folder).whole


def test_one_of_the_same_time_as_well_is_noticed_by_its_content(
    corpus: Corpus, audio: dict[int, str], deephits: Callable[..., Any]
) -> None:
    exchange(audio[4], keep_time=True)
    assert extract(corpus) == 0
    assert verify(corpus.folder).whole
    assert [f.state for f in verify(corpus.folder, check_content=True).findings] == ["unfinished"]
    told = deephits("verify", corpus.folder, "--check-content")
    assert (told.code, "track t4: audio has changed since" in told.out) == (1, True)
    assert extract(corpus, check_content=True) == 2
    assert levels(corpus)[4] == ord("c")


def test_a_copy_with_another_time_is_the_same_recording(
    corpus: Corpus, audio: dict[int, str]
) -> None:
    record = store_folder(corpus, Declared()) / "part-00000.json"
    before = record.read_bytes()
    os.utime(audio[2])
    assert verify(corpus.folder).whole
    assert extract(corpus) == 0
    # The new time is kept, so that the content isn't read each time.
    assert record.read_bytes() != before
    assert verify(corpus.folder).whole
    assert levels(corpus) == [1, 2, 3, 4, 5, 6]


def test_the_features_of_a_recording_that_is_gone_stay(
    corpus: Corpus, audio: dict[int, str]
) -> None:
    for path in audio.values():
        Path(path).unlink()
    assert extract(corpus) == 0
    assert verify(corpus.folder, check_content=True).whole
    assert levels(corpus) == [1, 2, 3, 4, 5, 6]
    Path(audio[1]).write_bytes(b"c" * 11)
    assert extract(corpus) == 4


def test_a_recording_that_comes_after_its_failure_is_extracted(
    tmp_path: Path, audio: dict[int, str]
) -> None:
    Path(audio[0]).unlink()
    made = make_corpus(tmp_path / "corpus", 6, audio=audio)
    first = extract_features(made, Declared(), jobs=1, shard_size=4)
    assert (first.failed, extract(made)) == (1, 0)
    Path(audio[0]).write_bytes(b"c")
    assert extract(made) == 4


def test_an_encoder_sees_what_it_declares_and_nothing_else() -> None:
    track = Track("t", Path("a.mp3"), "la", {"tempo": 90, "review": "a fine song", "key": 1})
    inputs = (Input("tempo"), Input("review", "text"), Input("cover", "file"), Input("mode"))
    seen = as_declared(track, inputs)
    assert (seen.audio, seen.lyrics) == (None, None)
    assert (seen.fields, seen.texts, seen.files) == ({"tempo": 90}, {"review": "a fine song"}, {})
    assert as_declared(track, (AUDIO, LYRICS)) == Track("t", Path("a.mp3"), "la")
    assert as_declared(track, None) is track


@pytest.mark.parametrize(
    "declared", [("audio",), (Input("key"), Input("key", "text")), Input("key")]
)
def test_inputs_are_a_tuple_of_different_ones(declared: Any) -> None:
    class Wrong(Toy):
        inputs = declared

    with pytest.raises(UserError, match="must declare its inputs as a tuple"):
        inputs_of(Wrong())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("popularity",), "can't be an input"),
        (("cover", "picture"), "kind is one of"),
        (("Front Cover", "file"), "lower-case identifier"),
        (("cover", "file", ("jpg",)), "begin with a dot"),
    ],
)
def test_an_input_that_can_not_be_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Input(*arguments)


def test_the_default_declares_nothing() -> None:
    assert ModalityEncoder.inputs.fget(Toy()) is None  # type: ignore[attr-defined]
    assert inputs_of(Toy()) is None
