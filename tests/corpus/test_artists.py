"""Artists' names as tables hold them become keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deephits_keras.corpus.artists import ArtistKeys, artist_key, listed_artists, possible_names

ALONE = {"a", "b", "c", "earth, wind & fire", "simon & garfunkel", "ac/dc", "b & c"}


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("['A', 'B']", ["a", "b"]),
        ('["A", "B"]', ["a", "b"]),
        ("{'id1': 'A', 'id2': 'B'}", ["id1", "id2"]),
        ('[{"id": "id1", "name": "A"}]', ["id1"]),
        ([{"name": "A"}, {"name": "B"}], ["a", "b"]),
        ({"id": "id1", "name": "A"}, ["id1"]),
        (np.array(["A", " b "]), ["a", "b"]),
        ([("id1", "A"), ("id2", "B")], ["id1", "id2"]),
        ("A, B", ["a", "b"]),
        ("A;B", ["a", "b"]),
        ("A feat. B", ["a", "b"]),
        ("A (feat. B)", ["a", "b"]),
        ("A ft. Unknown", ["a", "unknown"]),
        ("A, B & C", ["a", "b", "c"]),
        ("A x B", ["a", "b"]),
        ("Earth, Wind & Fire", ["earth, wind & fire"]),
        ("Earth, Wind & Fire, A", ["earth, wind & fire", "a"]),
        ("AC/DC", ["ac/dc"]),
        ("A, Unknown", ["a, unknown"]),
        ("Daft Punk", ["daft punk"]),
        ("['unclosed", ["['unclosed"]),
        ("", []),
        ("  ", []),
        (None, []),
        (float("nan"), []),
        ([], []),
        ("A, A", ["a"]),
    ],
)
def test_artists_of_a_value(value: Any, keys: list[str]) -> None:
    assert ArtistKeys(ALONE).of(value) == keys


def test_case_blanks_and_compatibility_forms_are_one_artist() -> None:
    spellings = ["Beyoncé  Knowles", "beyonce\u0301 knowles ", "ＢＥＹＯＮＣÉ KNOWLES"]
    assert len({artist_key(name) for name in spellings}) == 1


def test_a_separator_that_is_given_always_splits_and_is_counted() -> None:
    keys = ArtistKeys(set(), separators=[";"])
    assert keys.of("X;Y") == ["x", "y"]
    assert keys.of("X, Y") == ["x, y"]
    assert keys.of("X;Y") == ["x", "y"]
    assert (keys.split, keys.example) == (1, "X;Y")


def test_who_stands_alone_is_read_from_the_column() -> None:
    keys = ArtistKeys.from_values(["A", "B", "A, B", "['D']", None, float("nan"), "B & E"])
    assert [keys.of(v) for v in ("A, B", "A & D", "B & E")] == [["a", "b"], ["a", "d"], ["b & e"]]


def test_the_column_is_read_only_for_a_text_with_a_separator() -> None:
    read: list[str] = []

    def told(name: str) -> str:
        read.append(name)
        return name

    keys = ArtistKeys.from_values(map(told, ("A", "B", "A & B")))
    assert keys.of("A") == ["a"]
    assert keys.of(["A", "B"]) == ["a", "b"]
    assert not read
    assert keys.of("A & B") == ["a", "b"]
    assert keys.of("B feat. A") == ["b", "a"]
    assert read == ["A", "B", "A & B"]


def test_a_literal_that_is_too_long_or_nested_is_a_name() -> None:
    assert listed_artists("[" * 5000) is None
    assert listed_artists("['" + "a" * 100_000 + "']") is None


def test_possible_names_are_every_part() -> None:
    assert possible_names("A, Unknown (feat. B)") == ["a", "unknown", "b"]
