"""Compare two implementations of the same task in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison.

    Attributes:
        work: Description of the task.
        ours: Median rate of this package.
        peer_name: Name of the alternative.
        peer: Median rate of the alternative.
        unit: Unit of both rates.
        ratios: Ratio of the rates, one per round.
        target: Lowest acceptable ratio, or None.
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
    """Duration of one call in seconds."""
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
    """Time both alternately, after a warm-up round; the order changes every round.

    Args:
        work: Description of the task.
        ours: Implementation of this package.
        peer_name: Name of the alternative.
        peer: The alternative.
        amount: Amount of work per call, in the unit that `unit` counts per second.
        unit: Unit of the rate, for example `tracks/s`.
        target: Lowest acceptable ratio of the rates.
        rounds: Number of rounds.
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
