"""An application behind uvicorn, at an address."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from deephits_keras.errors import UserError
from deephits_keras.serve.workflow import ServingPlan

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 30


def listen(
    plan: ServingPlan, host: str, port: int, ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serve until SIGINT or SIGTERM; requests in progress are answered first.

    Args:
        plan: The model.
        host: Address to listen at.
        port: Port; 0: any that is free.
        ready: Called with the URL when requests are answered.

    Raises:
        UserError: if the address can't be used, or the model can't be loaded.
    """
    with bound(host, port) as listener:
        app = plan.app()
        # What there is now stays: each search through all of it for garbage would hold up every
        # request for 70 ms.
        gc.collect()
        gc.freeze()
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
        )
        ready(url(listener))
        with stopping_quietly():
            uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def stopping_quietly() -> Iterator[None]:
    """Go on after uvicorn has stopped: it raises the signal that stopped it once more."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: None) for each in signals]
    try:
        yield
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address.

    Raises:
        UserError: if the address is taken or isn't one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise UserError(f"Can't listen at {host}:{port}: {error}") from error
    return listener


def url(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
