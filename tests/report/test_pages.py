"""What all pages share: sentences with commands in them."""

from __future__ import annotations

import pytest

from deephits_keras.report.pages import marked, unbroken


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a < b", "a &lt; b"),
        ("one ` alone", "one ` alone"),
        ("run `x --y-z <v>`.", "run <code>{x} {--y-z} {&lt;v&gt;}</code>."),
        ("`a`", "<code>{a}</code>"),
    ],
)
def test_backticks_are_code_whose_words_stay_whole(text: str, told: str) -> None:
    opening, closing = '<span class="word">', "</span>"
    assert marked(text) == told.replace("{", opening).replace("}", closing)


def test_a_command_is_copied_as_it_was_typed() -> None:
    command = "deephits  train 'my corpus' run\n--epochs 3"
    assert unbroken(command).striptags() == " ".join(command.split())
    assert "my</span> <span" in unbroken(command)
