"""Two ways of doing the same work, side by side in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """What a comparison came to.

    Attributes:
        work: What was done.
        ours: This project's median rate.
        peer_name: Against what.
        peer: Its median rate.
        unit: Of both.
        ratios: Ours over the peer's, a value a round.
        target: What the ratio should reach at least, or None.
    """

    work: str
    ours: float
    peer_name: str
    peer: float
    unit: str
    ratios: tuple[float, ...]
    target: float | None

    @property
    def row(self) -> tuple[str, ...]:
        """A line of the table."""
        ratio = statistics.median(self.ratios)
        spread = f"{ratio:.2f} ({min(self.ratios):.2f}-{max(self.ratios):.2f})"
        verdict = "-" if self.target is None else "met" if ratio >= self.target else "MISSED"
        wanted = "-" if self.target is None else f"{self.target:.2f}"
        rates = (f"{self.ours:,.1f} {self.unit}", self.peer_name, f"{self.peer:,.1f} {self.unit}")
        return (self.work, *rates, spread, wanted, verdict)


COLUMNS = ("work", "this project", "against", "theirs", "ratio (range)", "at least", "target")


def seconds(work: Work) -> float:
    """How long it takes once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(
    work: str,
    ours: Work,
    peer_name: str,
    peer: Work,
    *,
    amount: float,
    unit: str,
    target: float | None,
    rounds: int = 5,
) -> Comparison:
    """Time both in turn, after one round that doesn't count; the order changes every round.

    Args:
        work: What is done.
        ours: This project's way.
        peer_name: Against what.
        peer: The other way.
        amount: How much a call does, in what `unit` counts per second.
        unit: For example `tracks/s`.
        target: What the ratio of rates should reach.
        rounds: How often.
    """
    ours(), peer()
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            theirs = seconds(peer)
            times.append((seconds(ours), theirs))
        else:
            mine = seconds(ours)
            times.append((mine, seconds(peer)))
    return Comparison(
        work,
        amount / statistics.median(mine for mine, _ in times),
        peer_name,
        amount / statistics.median(theirs for _, theirs in times),
        unit,
        tuple(theirs / mine for mine, theirs in times),
        target,
    )
