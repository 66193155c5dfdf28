"""Options and output that several verbs share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from deephits_keras.errors import UserError

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

ENCODER_SETTINGS = {"ignore_unknown_options": True, "allow_interspersed_args": True}
"""Context settings of a verb that takes `--ENCODER-SETTING VALUE`; see `encoder_settings`."""


def json_option(command: Command) -> Command:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")(
        command
    )


def seed_option(command: Command) -> Command:
    """Add `--seed`."""
    return click.option(
        "--seed", default=0, show_default=True, help="Seed of everything drawn at random."
    )(command)


def modalities_option(command: Command) -> Command:
    """Add `--modalities`, a comma-separated string or None."""
    return click.option(
        "--modalities",
        metavar="M[=ENCODER],...",
        help="Modalities, each with an encoder of its own if wanted: mel,lyrics=my_encoder,meta.",
    )(command)


def encoder_settings_argument(command: Command) -> Command:
    """Collect `--ENCODER-SETTING VALUE` pairs, passed as `extra` for `encoder_settings`."""
    return click.argument("extra", nargs=-1, type=click.UNPROCESSED, metavar="[--ENCODER-SETTING VALUE]...")(
        command
    )


def encoder_settings(extra: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read `--mel-frames 128 --numeric-columns tempo,energy` into settings by encoder or modality.

    A name is an installed encoder's or modality's, then one of its settings; `-` and `_` are
    alike. `deephits encoders show NAME` lists an encoder's settings.

    Raises:
        UserError: if an option isn't one, or lacks its value.
    """
    from deephits_keras.registry import registry

    classes = registry().load_working()
    options: dict[str, tuple[str, str]] = {}
    for encoder in classes.values():
        for name in encoder.Config.__dataclass_fields__:
            options[f"{encoder.modality}_{name}"] = (encoder.modality, name)
    for encoder in classes.values():
        for name in encoder.Config.__dataclass_fields__:
            options[f"{encoder.name}_{name}"] = (encoder.name, name)
    settings: dict[str, dict[str, Any]] = {}
    words = iter(extra)
    for word in words:
        flag, equals, value = word.partition("=")
        key = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or key not in options:
            known = ", ".join(f"--{o.replace('_', '-')}" for o in sorted(options))
            raise UserError(f"There is no option {flag!r} here. Encoder settings: {known}")
        if not equals:
            value = next(words, "--")
            if value.startswith("--"):
                raise UserError(f"{flag} needs a value")
        owner, name = options[key]
        settings.setdefault(owner, {})[name] = value
    return settings


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: int = 1
) -> None:
    """Print a table: the first `text_columns` columns to the left, the others to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < text_columns else "right")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(100, console.measure(table).maximum))
    console.print(table)
