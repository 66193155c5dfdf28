"""What `/metrics` tells Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TRACKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Statistics:
    """Counters of one server.

    Attributes:
        answers: Answered requests by path and status.
        seconds: Time from a request's first byte to its answer, by path.
        open: Requests that are being answered.
        batch: Tracks per forward pass.
        restarts: Worker processes that were replaced.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.answers = Counter(
            "deephits_requests", "Answered requests.", ["path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "deephits_request_seconds",
            "Time from a request to its answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.open = Gauge("deephits_open_requests", "Requests in progress.", registry=registry)
        self.batch = Histogram(
            "deephits_batch_tracks", "Tracks per forward pass.", buckets=TRACKS, registry=registry
        )
        self.restarts = Counter(
            "deephits_worker_restarts", "Replaced worker processes.", registry=registry
        )

    def text(self) -> bytes:
        """All of them in Prometheus' format."""
        return generate_latest(self._registry)
