"""The command `deephits`: one small click module per verb, imported when the verb is used."""

from __future__ import annotations

import importlib
import importlib.metadata
import io
import re
import sys
from collections.abc import Sequence

import click

from deephits_keras.cli.common import CommandGroup
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.utils.records import WORDS
from deephits_keras.version import __version__

VERBS = {
    "sample": "sample:sample",
    "import": "importing:import_group",
    "extract": "extract:extract",
    "build": "build:build",
    "train": "train:train",
    "tune": "tune:tune",
    "reproduce": "reproduce:reproduce",
    "compare": "compare:compare",
    "evaluate": "evaluate:evaluate",
    "drift": "drift:drift",
    "predict": "predict:predict",
    "embed": "embed:embed",
    "explain": "explain:explain",
    "export": "export:export",
    "serve": "serve:serve",
    "verify": "verify:verify",
    "encoders": "encoders:encoders",
    "importers": "importers:importers",
    "recipes": "recipes:recipes",
}

COMMANDS_GROUP = "deephits_keras.commands"
"""Entry points of this group are verbs that other distributions and encoders add."""


class LazyGroup(CommandGroup):
    """A group that imports the module of a verb when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a new user meets them."""
        del ctx
        return list(VERBS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs, then those that were added: by their entry points, not imported."""
        super().format_commands(ctx, formatter)
        if added := _added_verbs():
            with formatter.section("Commands of plug-ins"):
                formatter.write_dl(
                    [(name, f"from {_origins(found)}") for name, found in added.items()]
                )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the verb and return its command."""
        del ctx
        if cmd_name not in VERBS:
            return _load_added(cmd_name)
        module, _, attribute = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"deephits_keras.cli.{module}"), attribute
        )
        return command


def _added_verbs() -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Entry points by verb; a verb of this package can't be replaced."""
    added: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for entry in sorted(set(importlib.metadata.entry_points(group=COMMANDS_GROUP))):
        if entry.name not in VERBS:
            added.setdefault(entry.name, []).append(entry)
    return added


def _load_added(name: str) -> click.Command | None:
    found = _added_verbs().get(name, [])
    if not found:
        return None
    if len(found) > 1:
        raise UserError(f"{_origins(found)} all add a command {name!r}: uninstall all but one")
    try:
        command = found[0].load()
    except Exception as error:
        raise UserError(
            f"The command {name!r} of {_origins(found)} can't be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(command, click.Command):
        raise UserError(f"{found[0].value} of {_origins(found)} is not a click command")
    return command


def _origins(entries: Sequence[importlib.metadata.EntryPoint]) -> str:
    return ", ".join(f"{e.dist.name} {e.dist.version}" for e in entries if e.dist)


def _in_words(message: str) -> str:
    """A message of click, which calls types as Python does, with the types as readers call them."""
    words = {"integer": WORDS["int"], "float": WORDS["float"]}
    return re.sub(r"a valid (integer|float)( range)?", lambda kind: words[kind[1]], message)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="deephits")
def cli() -> None:
    """Predict the popularity of songs from audio, lyrics and metadata.

    \b
    A first run, on a synthetic dataset:
      deephits sample demo/raw --tracks 200
      deephits import spotgentrack demo/raw demo/corpus
      deephits extract demo/corpus
      deephits train demo/corpus demo/run --epochs 5
      deephits predict demo/run song.mp3 --set artist_popularity=60
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 if done, 2 for the user's mistake, 1 for other failures.

    Args:
        args: The words after `deephits`; those of this process by default.
    """
    try:
        sys.exit(cli.main(args, prog_name="deephits", standalone_mode=False) or 0)
    except click.Abort:
        click.echo(
            "Interrupted. Complete results are kept; run the same command again to continue.",
            err=True,
        )
        sys.exit(1)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        click.echo(_in_words(text.getvalue()), err=True, nl=False)
        sys.exit(error.exit_code)
    except UserError as error:
        click.echo(f"deephits: {error}", err=True)
        sys.exit(2)
    except DeepHitsError as error:
        click.echo(f"deephits: {error}", err=True)
        sys.exit(1)
    except PermissionError as error:
        click.echo(f"deephits: no permission: {error.filename}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
