"""Lists that a table holds as text."""

from __future__ import annotations

import ast

import pytest

from deephits_keras.corpus.literals import literal, plain_list


@pytest.mark.parametrize("text", ["['a']", "['', 'b']", "[' ', ', ']", "['a, b', '\"c\"']"])
def test_plain_lists_are_what_python_reads(text: str) -> None:
    assert plain_list(text) == literal(text) == ast.literal_eval(text)


@pytest.mark.parametrize(
    "text", [r"['a\x41']", "['a\nb']", "['a' 'b']", "['a',\n'b']", "['a', 1]", "[]", "['a', \"b\"]"]
)
def test_other_lists_need_a_parser(text: str) -> None:
    assert plain_list(text) is None
