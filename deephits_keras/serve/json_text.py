"""JSON that strangers send."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from deephits_keras.serve.refusal import RefusedError
from deephits_keras.utils.files import RepeatedKeyError, keys_once


def read_json(body: bytes, what: str) -> Any:
    """The values of a JSON text.

    Args:
        body: The text, UTF-8.
        what: What it is, for messages.

    Raises:
        RefusedError: if it isn't JSON, or an object has a key twice.
    """
    try:
        values = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedError(400, f"{what} is not JSON: {error}") from error
    require_keys_once(body, what)
    return values


def require_keys_once(body: bytes, what: str) -> None:
    """Refuse JSON with a key twice in an object, of which a parser keeps one and says nothing.

    Args:
        body: JSON.
        what: What it is, for messages.

    Raises:
        RefusedError: with the key.
    """
    try:
        json.loads(body, object_pairs_hook=keys_once)
    except RepeatedKeyError as error:
        told = f"{what} has the key {error.key!r:.80} twice"
        raise RefusedError(400, told, field=error.key) from error
    except RecursionError as error:
        raise RefusedError(400, f"{what} is nested too deeply") from error
