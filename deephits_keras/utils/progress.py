"""Progress of long work, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0


def progress(
    items: Iterable[T], *, total: int, what: str, weight: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """Yield `items` and show how many of `total` are done.

    Args:
        items: What to iterate over.
        total: Number of items, or sum of their weights.
        what: Description of the work, for example `extracting mel_cnn`.
        weight: Weight of an item, for example the number of tracks of a shard.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=False) as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                yield item
                bar.advance(task, weight(item))
        return
    began = shown = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += weight(item)
        if time.monotonic() - shown >= SECONDS_BETWEEN_LINES or done == total:
            left = (time.monotonic() - began) * (total - done) / max(done, 1)
            told = f", {_shown_time(left)} left" if done < total else ""
            sys.stderr.write(f"{what}: {done} of {total}{told}\n")
            sys.stderr.flush()
            shown = time.monotonic()


def _shown_time(seconds: float) -> str:
    """`45 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
