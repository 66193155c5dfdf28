"""`deephits serve` on several machines: Ray Serve with replicas of a run or bundle.

    pip install '.[serve,runtime]' 'ray[serve]' httpx    # in the folder of this repository
    ray start --head                      # others join with: ray start --address=HEAD:6379
    python examples/ray_serve.py BUNDLE --replicas 4

Each replica is the application of `deephits serve` with all its paths and limits. The entrance
holds a request until a replica has answered it, and asks another one if the replica dies. A
prediction has no effect, so that it may be computed twice; the client gets one answer.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from typing import Any

import httpx
import ray
from ray import serve
from ray.exceptions import RayActorError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deephits_keras.serve.settings import ServeSettings
from deephits_keras.serve.workflow import serve_app

ATTEMPTS = 4
"""How many replicas a request is given to before it is refused."""

HOP_BY_HOP = ("connection", "content-length", "host", "transfer-encoding")
"""Headers that belong to one connection."""


@serve.deployment(health_check_period_s=2, max_ongoing_requests=64)
class Replica:
    """The application, called without a network."""

    async def __init__(self, model: str, limits: dict[str, Any]) -> None:
        app = serve_app(model, **limits)
        self._open = contextlib.AsyncExitStack()
        await self._open.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://replica")

    async def answer(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the answer to a request."""
        answer = await self._client.request(method, target, headers=headers, content=body)
        return answer.status_code, kept(answer.headers.multi_items()), answer.content


@serve.deployment(max_ongoing_requests=256)
class Entrance:
    """Takes requests, and gives each to replicas until one has answered."""

    def __init__(self, replicas: Any, limits: dict[str, Any]) -> None:
        self._replicas = replicas
        self._most = ServeSettings(**limits).max_bytes

    async def __call__(self, request: Request) -> Response:
        """The answer of a replica."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._most:
                return JSONResponse({"error": f"The request is larger than {self._most} B"}, 413)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = (request.method, target, kept(request.headers.items()), bytes(body))
        for _ in range(ATTEMPTS):
            with contextlib.suppress(RayActorError):
                status, headers, content = await self._replicas.answer.remote(*asked)
                response = Response(content, status)
                for name, value in headers:
                    response.headers.append(name, value)
                return response
        return JSONResponse(
            {"error": "No replica could answer: try again"}, 503, {"Retry-After": "1"}
        )


def kept(headers: Any) -> list[tuple[str, str]]:
    """Headers that are passed on."""
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]


def start(
    model: str, *, replicas: int, entrances: int = 1, port: int = 8000, **limits: Any
) -> None:
    """Serve a model on the Ray cluster that this process is connected to.

    Args:
        model: Folder of a run or bundle, at the same path on every machine.
        replicas: Number of replicas of the model.
        entrances: Number of processes that take requests.
        port: Port on every machine; only this machine's own addresses reach it.
        limits: As `deephits_keras.serve_app`, per replica.
    """
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    served = Replica.options(num_replicas=replicas).bind(model, limits)
    serve.run(Entrance.options(num_replicas=entrances).bind(served, limits), name="deephits")


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="folder of a run or bundle")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--address", help="address of the cluster; by default one of this machine")
    asked = parser.parse_args()
    ray.init(address=asked.address)
    start(asked.model, replicas=asked.replicas, port=asked.port)
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    # Ray has threads of its own: if one of them gets the signal, it wakes nobody who waits.
    while not stop.wait(0.5):
        pass
    serve.shutdown()


if __name__ == "__main__":
    main()
