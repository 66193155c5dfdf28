"""What a request must pass before it is read: token, rate, queue, size and time."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.settings import ServeSettings
from deephits_keras.serve.statistics import Statistics

OPEN = ("/", "/static/", "/docs", "/v2/health/")
"""Paths without a token, and all below them: the page, its files, the reference, health."""

MOST_CLIENTS = 10_000
"""Addresses whose rate is remembered."""

SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"x-frame-options": b"DENY",
}


class Rates:
    """A token bucket per client: `rate` requests per second, as many at once.

    Args:
        rate: Requests per second; 0: no limit.
        clock: Seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._most = max(1.0, rate)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Count a request.

        Returns:
            Seconds to wait if it is one too many, else 0.
        """
        if not self._rate:
            return 0.0
        now = self._clock()
        left, since = self._left.pop(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        granted = left >= 1
        self._left[client] = (left - granted, now)
        if len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if granted else (1 - left) / self._rate


class Admission:
    """ASGI middleware that refuses requests, limits their bodies, and counts them.

    Args:
        app: The application.
        settings: Limits.
        token: Clients must send it as `Authorization: Bearer TOKEN`; None: open to all.
        statistics: Where requests are counted.
    """

    def __init__(
        self, app: ASGIApp, settings: ServeSettings, token: str | None, statistics: Statistics
    ) -> None:
        self._app, self._settings, self._statistics = app, settings, statistics
        self._token = token.encode() if token else None
        self._rates = Rates(settings.max_rate)
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = _Told(send)
        began, counted = time.perf_counter(), False
        try:
            counted = self._admit(scope)
            await self._app(scope, self._limited(receive) if counted else receive, told)
        except RefusedError as refusal:
            if told.status is not None:
                raise
            answer = JSONResponse(refusal.content, refusal.status, refusal.headers)
            await answer(scope, receive, told)
        finally:
            if counted:
                self._open -= 1
                self._statistics.open.set(self._open)
            path = getattr(scope.get("route"), "path", "other")
            self._statistics.answers.labels(path, str(told.status)).inc()
            self._statistics.seconds.labels(path).observe(time.perf_counter() - began)

    def _admit(self, scope: Scope) -> bool:
        """Refuse a request by its head; whether it counts as one in progress."""
        path: str = scope["path"]
        headers = dict(scope["headers"])
        is_open = any(path == p or (len(p) > 1 and path.startswith(p)) for p in OPEN)
        if self._token is not None and not is_open:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                raise RefusedError(
                    401, "The token is missing or wrong: Authorization: Bearer TOKEN"
                )
        if scope["method"] != "POST":
            return False
        client = scope["client"][0] if scope.get("client") else ""
        if wait := self._rates.take(client):
            rate = f"{self._settings.max_rate:g} requests per second"
            raise RefusedError(429, f"More than {rate} from this address", retry_after=wait)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._settings.max_bytes:
            raise self._too_large()
        if self._open >= self._settings.max_queue:
            reason = f"{self._open} requests are in progress, as many as are allowed: try again"
            raise RefusedError(503, reason, retry_after=1)
        self._open += 1
        self._statistics.open.set(self._open)
        return True

    def _limited(self, receive: Receive) -> Receive:
        """`receive` that refuses too large and too slow bodies."""
        deadline = asyncio.get_running_loop().time() + self._settings.max_upload_seconds
        received, complete = 0, False

        async def limited() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                seconds = self._settings.max_upload_seconds
                reason = f"The request was not received within {seconds:g} s"
                raise RefusedError(408, reason) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._settings.max_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"The request is larger than the {self._settings.max_megabytes:g} MB allowed"
        )


class _Told:
    """`send` that remembers the status and adds the headers of `SECURITY`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = list(message.get("headers", ()))
            known = {name.lower() for name, _ in headers}
            added = [(n, v) for n, v in SECURITY.items() if n not in known]
            message = {**message, "headers": [*headers, *added]}
        await self._send(message)
