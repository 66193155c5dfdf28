"""The command `deephits`: one small click module a verb, imported when the verb is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from deephits_keras import __version__
from deephits_keras.errors import DeepHitsError, UserError

VERBS = {
    "sample": "sample:sample",
    "import": "importing:import_group",
    "extract": "extract:extract",
    "build": "build:build",
    "train": "train:train",
    "evaluate": "evaluate:evaluate",
    "predict": "predict:predict",
    "verify": "verify:verify",
    "encoders": "encoders:encoders",
}


class LazyGroup(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which a new user meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and give its command."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"deephits_keras.cli.{module}"), attribute
        )
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="deephits")
def cli() -> None:
    """Predict how popular a song will be, from its audio, lyrics and metadata.

    \b
    A first run, on a synthetic corpus made on the spot:
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
        click.echo("Stopped. What was complete is kept; run the same command to go on.", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
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
