"""Damaged uploads and malformed bodies: each gets 200 or 4xx with a reason, and nobody waits.

    python -m benchmarks.fuzz_requests BUNDLE song.mp3 --count 1000

A damaged recording that still decodes is answered with 200.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.requests import ask_all, form, reason, request, server

CLIENTS = 4
WHOLE: dict[str, Any] = {"id": "t", "lyrics": "la la", "fields": {"tempo": 120, "energy": 0.5}}
ODD = (b"\x00", b"\xff\xfe", b'"', b"{", b"]", b"\r\n", b"--", b"NaN", b"1e999", b"-1", b"\\ud800")
VALUES = (None, True, -1, 1e308, 2**70, "", "1e400", "\ud800", [], [[]], {}, "../x", "a" * 3000)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, cut, repeated, or put in."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 5, 50))):
        at = draw.randrange(len(found) + 1)
        size = draw.choice((1, 2, 16, 300, len(found) // 2 + 1))
        kind = draw.randrange(5)
        if kind == 0:
            found[at : at + size] = draw.randbytes(min(size, 64))
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + size]
        elif kind == 3:
            found[at:at] = draw.choice(ODD)
        else:
            found[at:at] = found[at : at + min(size, 300)]
    return bytes(found)


def uploads(song: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Forms with a damaged recording."""
    draw = random.Random(seed)  # noqa: S311
    for _ in range(count):
        content = damaged(song, draw) or b"?"
        yield request("/v1/predict", *form({"audio": content}))


def bodies(name: str, inputs: list[dict[str, Any]], count: int, seed: int) -> Iterator[bytes]:
    """Malformed bodies of every path, some with a wrong type."""
    draw = random.Random(seed)  # noqa: S311
    infer = {"inputs": inputs}
    for number in range(count):
        path = draw.choice(("/v1/predict", "/v1/predict:batch", f"/v2/models/{name}/infer"))
        plain: Any = {"/v1/predict": WHOLE, "/v1/predict:batch": {"tracks": [WHOLE]}}.get(
            path, infer
        )
        kind = "application/json"
        if number % 2:
            body = json.dumps(changed(plain, draw)).encode()
        elif draw.random() < 0.5 and path != f"/v2/models/{name}/infer":
            parts = {n: v if isinstance(v, str) else json.dumps(v) for n, v in plain.items()}
            body, kind = form({**parts, "audio": b"ID3"})
            body = damaged(body, draw)
        else:
            body = damaged(json.dumps(plain).encode(), draw)
        if draw.random() < 0.1:
            kind = damaged(kind.encode(), draw).decode("latin-1")
            kind = "".join(c for c in kind if c.isprintable() and ord(c) < 127)
        yield request(path, body, kind)


def changed(values: Any, draw: random.Random) -> Any:
    """JSON with one value replaced by another, somewhere."""
    if isinstance(values, dict) and values and draw.random() < 0.8:
        name = draw.choice(list(values))
        if draw.random() < 0.1:
            return {**values, f"{name}x": values[name]}
        return {**values, name: changed(values[name], draw)}
    if isinstance(values, list) and values and draw.random() < 0.8:
        at = draw.randrange(len(values))
        return [*values[:at], changed(values[at], draw), *values[at + 1 :]]
    return draw.choice(VALUES)


def wrong(what: str, requests: list[bytes], ask: Callable[[list[bytes]], list[Any]]) -> int:
    """Send requests, tell what came of them, and count the answers that must not be."""
    answers = ask(requests)
    bad = 0
    for sent, answer in zip(requests, answers, strict=True):
        refused = 400 <= answer.status < 500 and bool(reason(answer))
        # Where HTTP itself is broken, the server that reads it answers in plain text.
        plain = answer.status == 400 and answer.body.startswith(b"Invalid HTTP")
        if not (answer.status == 200 or refused or plain):
            bad += 1
            print(f"{what}: {answer.status} {answer.body[:200]!r}\n    {sent[:400]!r}", flush=True)
    counts = dict(sorted(Counter(answer.status for answer in answers).items()))
    slowest = max(answer.seconds for answer in answers)
    print(f"{what}: {len(requests)} sent, {bad} wrong; by status {counts}; slowest {slowest:.1f} s")
    return bad


def some_inputs(bundle: Path) -> list[dict[str, Any]]:
    """Inputs of a request with features, of the smallest modality."""
    from deephits_keras.export.bundle import Bundle
    from deephits_keras.serve.kserve import DATATYPES

    known = Bundle(bundle).manifest.inputs
    smallest = min((t for t in known if not t.name.endswith("_present")), key=lambda t: t.shape)
    size = 1
    for length in smallest.shape:
        size *= length
    shape, datatype = [1, *smallest.shape], DATATYPES[smallest.dtype]
    data = [0.5 if smallest.dtype == "float32" else 1] * size
    return [{"name": smallest.name, "shape": shape, "datatype": datatype, "data": data}]


def main() -> int:
    """Send them to a server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("song", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    count, seed = options.count, options.seed
    with server(options.bundle) as (address, _):

        def ask(requests: list[bytes]) -> list[Any]:
            return ask_all(address, requests, CLIENTS)

        inputs = some_inputs(options.bundle)
        name = options.bundle.resolve().name
        bad = wrong("uploads", list(uploads(options.song.read_bytes(), count, seed)), ask)
        bad += wrong("bodies", list(bodies(name, inputs, count, seed)), ask)
        body = json.dumps({"fields": {"tempo": 120}}).encode()
        (whole,) = ask([request("/v1/predict", body, "application/json")])
        print(f"afterwards a whole request is answered with {whole.status}")
    return 1 if bad or whole.status != 200 else 0


if __name__ == "__main__":
    raise SystemExit(main())
