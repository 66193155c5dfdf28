"""Requests over real sockets, sent by a client that costs little beside the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

BOUNDARY = "deephits-benchmark"


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status; 0 if the connection ended without one.
        body: Its body.
        seconds: Time from the first byte sent to the last one received.
    """

    status: int
    body: bytes
    seconds: float


def request(path: str, body: bytes, kind: str, **headers: str) -> bytes:
    """The bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: benchmark", f"Content-Type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def form(parts: dict[str, str | bytes]) -> tuple[bytes, str]:
    """A form, and its content type; bytes are files."""
    found = b""
    for name, value in parts.items():
        file = f'; filename="{name}.mp3"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        found += head.encode() + content + b"\r\n"
    return found + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


@contextlib.contextmanager
def server(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`deephits serve` in a process of its own: its address, and the process."""
    command = [sys.executable, "-m", "deephits_keras", "serve", str(folder), "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.send_signal(signal.SIGTERM)


def ask_all(address: str, requests: Sequence[bytes], clients: int) -> list[Answer]:
    """Send requests by several clients at once, each over one connection; answers in order."""
    return asyncio.run(_ask_all(address, requests, clients))


async def _ask_all(address: str, requests: Sequence[bytes], clients: int) -> list[Answer]:
    answers: list[Answer | None] = [None] * len(requests)
    numbers = iter(range(len(requests)))
    place = urlsplit(address)

    async def client() -> None:
        reader = writer = None
        for number in numbers:
            if writer is None:
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
            assert reader is not None
            began = time.perf_counter()
            try:
                writer.write(requests[number])
                await writer.drain()
                status, body, keeps = await _answer(reader)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                status, body, keeps = 0, b"", False
            answers[number] = Answer(status, body, time.perf_counter() - began)
            if not keeps:
                writer.close()
                writer = None
        if writer is not None:
            writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return [answer for answer in answers if answer is not None]


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(None, 2)[1])
    length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
    body = await reader.readexactly(length)
    return status, body, b"connection: close" not in head


def reason(answer: Answer) -> str:
    """The reason of a refusal; empty if there is none."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        return ""
    return str(told.get("error", "")) if isinstance(told, dict) else ""
