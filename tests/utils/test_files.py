"""Files that are read: JSON says one thing only."""

from __future__ import annotations

from pathlib import Path

import pytest

from deephits_keras.errors import UserError
from deephits_keras.utils.files import read_json


def test_a_key_that_is_there_twice_is_an_error_and_not_one_of_both(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text('{"task": {"name": "tiers-3", "name": "tiers-10"}}')
    with pytest.raises(UserError, match=r"bundle\.json can't be read as a bundle: the key 'name'"):
        read_json(path, "a bundle")
    path.write_text('{"task": {"name": "tiers-3"}, "name": 1}')
    assert read_json(path, "a bundle") == {"task": {"name": "tiers-3"}, "name": 1}
