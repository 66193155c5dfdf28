"""Many requests to a server whose worker processes are killed: none is lost, memory stays flat.

python -m benchmarks.soak BUNDLE song.mp3 --requests 20000
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.requests import ask_all, form, request, server

CLIENTS = 8
ROUND = 500
"""Requests per killed process."""
FLAT = 1.05


def worker_of(server_pid: int) -> psutil.Process:
    """One of the server's worker processes: a child of the process that forks them."""
    below = psutil.Process(server_pid).children(recursive=True)
    return random.choice([p for p in below if not p.children() and p.ppid() != server_pid])  # noqa: S311


def memory_of(server_pid: int) -> tuple[int, int]:
    """Bytes of the server's own process, and of it with its workers (shared pages counted once)."""
    process = psutil.Process(server_pid)
    found = [process.memory_full_info().pss]
    for below in process.children(recursive=True):
        # A worker may end meanwhile.
        with contextlib.suppress(psutil.Error):
            found.append(below.memory_full_info().pss)
    return process.memory_info().rss, sum(found)


def growth(memory: Sequence[int]) -> float:
    """The most of the last quarter of the rounds over the most of the second."""
    quarter = max(1, len(memory) // 4)
    return max(memory[-quarter:]) / max(memory[quarter - 1 : 2 * quarter])


def main() -> int:
    """Send requests in rounds; in each, a worker is killed while requests are answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("song", type=Path)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    song = options.song.read_bytes()
    statuses: Counter[int] = Counter()
    wrong, began = 0, time.monotonic()
    memory: list[tuple[int, int]] = []
    with server(options.bundle, "--workers", "2") as (address, process):
        for start in range(0, options.requests, ROUND):
            requests = []
            for number in range(start, start + ROUND):
                body, kind = form({"audio": song, "id": str(number)})
                requests.append(request("/v1/predict", body, kind))
            # In the middle of a round.
            killer = os.fork()
            if killer == 0:
                time.sleep(0.5)
                worker_of(process.pid).send_signal(signal.SIGKILL)
                os._exit(0)
            answers = ask_all(address, requests, CLIENTS)
            os.waitpid(killer, 0)
            statuses.update(answer.status for answer in answers)
            for number, answer in zip(range(start, start + ROUND), answers, strict=True):
                if answer.status == 200 and json.loads(answer.body)["track_id"] != str(number):
                    wrong += 1
            memory.append(memory_of(process.pid))
            own, whole = (size / 1e6 for size in memory[-1])
            told = f"{start + ROUND} answered, {own:.0f} MB, with workers {whole:.0f} MB"
            print(f"{told}, {time.monotonic() - began:.0f} s, {dict(statuses)}", flush=True)
    grown = [growth(sizes) for sizes in zip(*memory, strict=True)]
    told = f"memory x {grown[0]:.3f}, with workers x {grown[1]:.3f}"
    print(f"statuses {dict(statuses)}, answers of another request {wrong}, {told}")
    return 0 if statuses.keys() == {200} and not wrong and max(grown) <= FLAT else 1


if __name__ == "__main__":
    raise SystemExit(main())
