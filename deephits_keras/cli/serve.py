"""`deephits serve`: a run or a bundle as a server with a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import EncoderCommand, import_keras
from deephits_keras.cli.paths import PATH, RUN_OR_BUNDLE
from deephits_keras.serve.settings import ServeSettings


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option per field of `ServeSettings`."""
    for each in reversed(dataclasses.fields(ServeSettings)):
        option = click.option(
            f"--{each.name.replace('_', '-')}",
            default=each.default,
            show_default=True,
            help=each.metadata["help"],
        )
        command = option(command)
    return command


@click.command(cls=EncoderCommand, short_help="Serve a page and an API that score songs.")
@click.argument("run", type=RUN_OR_BUNDLE, metavar="RUN|BUNDLE")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port; 0: any that is free.",
)
@click.option("--name", default="", help="Name of the model.  [default: its folder's]")
@click.option(
    "--token-file",
    type=PATH,
    help="File with a token that clients must send: Authorization: Bearer TOKEN.",
)
@limit_options
def serve(
    run: Path,
    host: str,
    port: int,
    name: str,
    token_file: Path | None,
    settings: dict[str, dict[str, Any]],
    **limits: Any,
) -> None:
    """Serve a run or a bundle: a page to score songs with, and an API.

    The page is at /, the reference of the API at /docs, counters for Prometheus at /metrics.
    Stop it with Ctrl-C or SIGTERM: requests in progress are answered first.

    \b
    Example:
      deephits serve bundle --port 8000
      curl http://127.0.0.1:8000/v1/predict -F audio=@song.mp3 -F 'fields={"tempo": 124}'
    """
    from deephits_keras.serve.workflow import plan_serving

    plan = plan_serving(run, token_file=token_file, name=name, settings=settings, **limits)
    if plan.needs_keras:
        click.echo(f"Loading {run}: a run needs Keras, which takes a moment", err=True)
        import_keras()
    from deephits_keras.serve.listening import listen

    listen(plan, host, port, ready=lambda address: click.echo(f"Serving {run} at {address}"))
