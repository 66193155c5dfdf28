"""Options and output that several verbs share."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from deephits_keras import cpu
from deephits_keras.choices import ENGINES
from deephits_keras.cli.paths import SONG_FILE
from deephits_keras.cli.sections import write_sections
from deephits_keras.errors import SettingError, UserError
from deephits_keras.utils.records import to_plain
from deephits_keras.utils.suggestions import suggestion

FLAGS = f"{__name__}.flags"
"""Key of a click context's `meta`: options of encoders' settings as they were written."""

TASK = "tiers-10"
"""The default task."""

MODALITIES = (
    "Kinds of input to use, each with an encoder if not the recipe's or its default: "
    "mel,lyrics=my_encoder,meta. `deephits encoders list` shows them."
)

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


def json_option(command: Command) -> Command:
    """Add `--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def seed_option(command: Command) -> Command:
    """Add `--seed`."""
    return click.option("--seed", default=0, show_default=True, help="Random seed.")(command)


def jobs_option(command: Command) -> Command:
    """Add `--jobs`."""
    return click.option(
        "--jobs",
        default=-1,
        show_default=True,
        help="Number of worker processes that extract features; -1: one per core.",
    )(command)


def engine_options(command: Command) -> Command:
    """Add `--engine` and `--scheduler`, for `deephits_keras.features.engines.engine`."""
    for option in (
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Address of the cluster's scheduler, for example tcp://host:8786.",
        ),
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default="local",
            show_default=True,
            help="Compute features on this machine (local), or on a cluster that sees these files.",
        ),
    ):
        command = option(command)
    return command


def modalities_option(command: Command) -> Command:
    """Add `--modalities`, a comma-separated string or None."""
    return click.option(
        "--modalities",
        metavar="M[=ENCODER],...",
        help=MODALITIES,
    )(command)


def song_options(command: Command) -> Command:
    """Add a song: the argument `audio`, `--lyrics`, `--input` and `--set`, passed as `fields`."""
    for option in (
        click.option(
            "--set",
            "fields",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Value of a metadata field, for example artist_popularity=63; may be repeated.",
        ),
        click.option(
            "--input",
            "inputs",
            multiple=True,
            metavar="NAME=FILE",
            help="File for another input of an encoder: cover=front.jpg; may be repeated.",
        ),
        click.option("--lyrics", type=SONG_FILE, help="Text file with the lyrics, UTF-8."),
        click.argument("audio", type=SONG_FILE, required=False),
    ):
        command = option(command)
    return command


def input_dir_option(command: Command) -> Command:
    """Add `--input-dir` of a table's files, passed as `folders`."""
    return click.option(
        "--input-dir",
        "folders",
        multiple=True,
        metavar="NAME=FOLDER",
        help="With --table: folder of the files in the column NAME, for example audio=RECORDINGS.  "
        "[default: the table's folder]",
    )(command)


def fusion_options(default: str = "") -> Callable[[Command], Command]:
    """Add `--fusion`, `--fusion-weights`, `--head` and `--task`.

    Args:
        default: What sets those that aren't given; each has a default of its own if this is empty.
    """
    options = (
        click.option(
            "--task",
            show_default=default or TASK,
            help="Target: popularity (regression), in which of 3, 5 or 10 ranges it is (tiers-3, "
            "tiers-5, tiers-10), or whether it is at least a number (hit-65).",
        ),
        click.option(
            "--head",
            show_default=default or "softmax",
            help="Output layer for tiers: softmax, or an ordinal one: corn, cumulative, pairwise.",
        ),
        click.option(
            "--fusion-weights",
            metavar="M=W,...",
            help="Fixed weights of the modalities in late fusion; learned if not given.",
        ),
        click.option(
            "--fusion",
            show_default=default or "early",
            help="How the modalities' embeddings are combined: early, late or gated; or as other "
            "systems do: members, compressed, wide_deep, normalized, residual.",
        ),
    )

    def add(command: Command) -> Command:
        for option in options:
            command = option(command)
        return command

    return add


def get_fusion_settings(
    fusion: str | None, weights: str | None, head: str | None, dropout: float | None = None
) -> dict[str, Any]:
    """The settings of a fusion that were asked for with the options of `fusion_options`.

    Raises:
        UserError: if the weights aren't `modality=number` pairs.
    """
    given: dict[str, Any] = {"name": fusion, "head": head, "dropout": dropout}
    if weights is not None:
        words = pairs(weights.split(","), "--fusion-weights")
        given["weights"] = tuple((m, _weight(m, w)) for m, w in words)
    return {name: value for name, value in given.items() if value is not None}


def pairs(words: Sequence[str], option: str) -> list[tuple[str, str]]:
    """Split `name=value` words.

    Raises:
        UserError: if a word isn't one, or two give a name different values; the message names the
            option.
    """
    split = [(name.strip(), value.strip()) for name, _, value in (w.partition("=") for w in words)]
    bad = [w for w, (name, value) in zip(words, split, strict=True) if not name or not value]
    if bad:
        raise UserError(f"{option} takes NAME=VALUE. Received: {bad[0]!r}")
    given: dict[str, str] = {}
    for name, value in split:
        if given.setdefault(name, value) != value:
            raise UserError(f"{option} gives {name} twice: {given[name]} and {value}")
    return split


def paths(words: Sequence[str], option: str) -> dict[str, Path]:
    """`pairs` of names and paths."""
    return {name: Path(path) for name, path in pairs(words, option)}


def folders_of(words: Sequence[str], option: str) -> dict[str, Path]:
    """`paths` of folders.

    Raises:
        UserError: as `pairs`, or if one doesn't exist.
    """
    named = paths(words, option)
    if gone := next((folder for folder in named.values() if not folder.exists()), None):
        raise UserError(f"There is no folder {gone}")
    return named


def _weight(modality: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--fusion-weights {modality}={text}: {text!r} is not a number") from None


class WholeOptions(click.HelpFormatter):
    """Writes help whose lines break before an option, not at its hyphens."""

    def write(self, string: str) -> None:
        """Write a piece of text that is wrapped."""
        super().write(string.replace(UNBREAKABLE, "-"))

    def write_text(self, text: str) -> None:
        """Wrap and write a paragraph."""
        super().write_text(_whole(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        """Wrap and write a list of terms and what they mean."""
        super().write_dl([(term, _whole(text)) for term, text in rows], *args, **kwargs)


UNBREAKABLE = "\N{NON-BREAKING HYPHEN}"


def _whole(text: str) -> str:
    return re.sub(r"--\w[\w-]*", lambda option: option[0].replace("-", UNBREAKABLE), text)


class HelpContext(click.Context):
    """A context whose help is written by `WholeOptions`."""

    formatter_class = WholeOptions


class CommandGroup(click.Group):
    """A group that lists whole sentences, and suggests a command for a misspelt one."""

    context_class = HelpContext

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the first sentence of their help, wrapped instead of cut."""
        self.write_commands(ctx, formatter, self.list_commands(ctx))

    def write_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter, names: Iterable[str]
    ) -> None:
        """The section of some commands."""
        found = [(name, self.get_command(ctx, name)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(200)) for n, c in found if c is not None])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; see click.

        Raises:
            UsageError: if there is none of this name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = suggestion(name, self.list_commands(ctx))
            raise click.UsageError(f"No such command {name!r}{hint}.", ctx)
        found = super().resolve_command(ctx, args)
        if found[1]:
            found[1].context_class = HelpContext
        return found


class EncoderCommand(click.Command):
    """A verb that also accepts `--ENCODER-SETTING VALUE` for any installed encoder.

    `--mel-frames 128 --numeric-columns tempo,energy`: an encoder's or a modality's name, then one
    of its settings, `-` and `_` alike; `deephits encoders show NAME` lists them. The verb gets
    them as `settings`, by encoder or modality, for `resolve_modalities`. Encoders are imported
    only if such an option is there.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the encoders' settings out, then parse the rest as click does."""
        own = {name for parameter in self.params for name in parameter.opts}
        foreign = [a for a in args if a.startswith("--") and a.partition("=")[0] not in own]
        foreign = [a for a in foreign if a not in ("--", "--help")]
        settings, ctx.meta[FLAGS] = _take_settings(args, own) if foreign else ({}, {})
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            every = [*own, *(f"--{name.replace('_', '-')}" for name in _encoder_options(own))]
            raise click.NoSuchOption(error.option_name, None, every, ctx) from None
        ctx.params["settings"] = settings
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Carry the verb out; mistakes in settings are told by the options that set them.

        Raises:
            UserError: as the verb does.
        """
        try:
            return super().invoke(ctx)
        except SettingError as error:
            option = self._option_of(error, ctx)
            if not option:
                raise
            raise UserError(option + error.said.removeprefix(error.setting)) from error

    def _option_of(self, error: SettingError, ctx: click.Context) -> str:
        """The option that the user set it with; empty if it comes from somewhere else."""
        if error.owners:
            flags = ctx.meta[FLAGS]
            return next((f for o in error.owners if (f := flags.get((o, error.setting)))), "")
        given = (p for p in self.params if p.name == error.setting and is_given(ctx, p))
        return next((max(p.opts, key=len) for p in given), "")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, many of them in sections."""
        if not write_sections(self, ctx, formatter):
            super().format_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Describe the encoders' settings after the options."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Encoder settings"):
            formatter.write_text(
                "--ENCODER-SETTING VALUE changes a setting of an encoder or of a modality's "
                "encoder, for example --mel-frames 128. `deephits encoders show NAME` lists "
                "the settings."
            )


def _encoder_options(own: Collection[str]) -> dict[str, tuple[str, str]]:
    """Encoder or modality, and setting, by the option's name with underscores.

    Args:
        own: Options of the verb itself, which no encoder's main setting may take.
    """
    from deephits_keras.encoders.registry import registry

    classes = registry().load_working().values()
    options: dict[str, tuple[str, str]] = {}
    for owner, encoder in [(c.modality, c) for c in classes] + [(c.name, c) for c in classes]:
        for name, field in encoder.Config.__dataclass_fields__.items():
            options[f"{owner}_{name}"] = (owner, name)
            if field.metadata.get("main") and f"--{owner.replace('_', '-')}" not in own:
                options[owner] = (owner, name)
    return options


def is_given(ctx: click.Context, parameter: click.Parameter) -> bool:
    """Whether a parameter stands on the command line."""
    return ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE


def _take_settings(
    args: list[str], own: Collection[str]
) -> tuple[dict[str, dict[str, Any]], dict[tuple[str, str], str]]:
    """Remove encoders' settings from `args`.

    Returns:
        The settings by encoder or modality, and each one's option as it was written.
    """
    options = _encoder_options(own)
    settings: dict[str, dict[str, Any]] = {}
    flags: dict[tuple[str, str], str] = {}
    kept: list[str] = []
    words = iter(args)
    for word in words:
        flag, equals, value = word.partition("=")
        key = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or key not in options:
            kept.append(word)
            continue
        if not equals:
            following = next(words, None)
            if following is None:
                raise UserError(f"{flag} needs a value")
            value = following
        owner, name = options[key]
        settings.setdefault(owner, {})[name] = value
        flags[owner, name] = flag
    args[:] = kept
    return settings, flags


def import_keras(first: Callable[[], T] = lambda: None) -> T:  # type: ignore[assignment,return-value]
    """Import Keras and its backend without their start-up messages on standard error.

    TensorFlow writes some of them before any setting of verbosity has an effect. An import that
    fails still raises.

    Args:
        first: Function to call before anything is computed.

    Returns:
        What `first` returns.

    Raises:
        UserError: if Keras isn't installed.
    """
    require_keras()
    cpu.tune()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It warns of several small models in one process, which are intended here.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with without_native_messages():
        with _kept_for_good():
            import keras
        outcome = first()
        keras.ops.zeros(())
    return outcome


@contextlib.contextmanager
def _kept_for_good() -> Iterator[None]:
    """Spare the garbage collector what is made here.

    TensorFlow's and Keras' modules are half a million objects that live as long as the process. The
    collector goes through them again and again while they are imported, and once more at the end:
    two of the five seconds of CPU time of a command that predicts one song. Only once: what else
    the process has made by the next call may become garbage.
    """
    if "keras" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def require_keras() -> None:
    """Refuse to go on where Keras isn't installed.

    Raises:
        UserError: if it isn't.
    """
    if importlib.util.find_spec("keras") is None:
        raise UserError(
            "Keras isn't installed here, only what bundles need: pip install deephits-keras"
        )


@contextlib.contextmanager
def without_native_messages() -> Iterator[None]:
    """Hide what libraries write to the descriptor of standard error; exceptions still pass.

    TensorFlow reports its optimiser's steps there when a graph is frozen or converted.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def print_json(value: Any) -> None:
    """Print one JSON document; dataclasses by their fields."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=to_plain)
    click.echo(text)


def print_wrapped(text: str, *, indent: int = 0) -> None:
    """Print a paragraph at the terminal's width without breaking words, so they can be copied."""
    import shutil
    import textwrap

    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    margin = " " * indent
    click.echo(
        textwrap.fill(
            text,
            width,
            initial_indent=margin,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, text_columns: int = 1
) -> None:
    """Print a table; the first `text_columns` columns are left-aligned, the rest right-aligned.

    Where a terminal is too narrow the table loses its lines, then its cells are folded: nothing
    that may have to be copied is cut.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for index, column in enumerate(columns):
        side: Any = "left" if index < text_columns else "right"
        table.add_column(column, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    width = Console(width=1000).measure(table).maximum
    if not console.is_terminal:
        console = Console(width=max(100, width))
    elif width > console.width:
        table.box, table.pad_edge, table.padding = None, False, (0, 1, 0, 0)
    console.print(Text(title, style="bold"))
    console.print(table)
