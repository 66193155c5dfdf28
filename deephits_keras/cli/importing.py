"""`deephits import`: from the tables of others to a corpus."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.choices import ARTIST_RULES, DUPLICATES
from deephits_keras.cli.common import (
    Command,
    CommandGroup,
    folders_of,
    json_option,
    pairs,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import PATH
from deephits_keras.corpus.importers import Registration, registrations
from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.corpus import ImportSummary


def files_options(command: Command) -> Command:
    """Add `--input-dir`, passed as `inputs`, and its former name for recordings."""
    for option in (
        click.option("--audio", type=PATH, hidden=True),
        click.option(
            "--input-dir",
            "inputs",
            multiple=True,
            metavar="NAME=FOLDER",
            help="Folder of the files of input NAME, such as audio=RECORDINGS or cover=PICTURES. "
            "Files are found by track id, in subfolders too, or by the paths in a column NAME.",
        ),
    ):
        command = option(command)
    return command


detect_option = click.option(
    "--detect-language",
    is_flag=True,
    help="Detect the language of the lyrics, offline; it becomes the field language.",
)


def _folders(inputs: tuple[str, ...], audio: Path | None) -> dict[str, Path]:
    given = {"audio": audio} if audio is not None else {}
    return {**given, **folders_of(inputs, "--input-dir")}


class ImporterGroup(CommandGroup):
    """A group whose commands are its own and the installed importers, found when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its own commands, then the importers' names, which aren't imported."""
        own = super().list_commands(ctx)
        return [*own, *(r.name for r in registrations() if r.name not in own)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of its own, or one that uses the importer of that name."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in {r.name for r in registrations()}:
            return own
        return dataset_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List its own commands with their help, then the importers."""
        own = super().list_commands(ctx)
        self.write_commands(ctx, formatter, own)
        with formatter.section("Datasets"):
            formatter.write_dl(
                [(r.name, _summary(r)) for r in registrations() if r.name not in own]
            )


def _summary(registration: Registration) -> str:
    try:
        return registration.load().summary
    except UserError:
        return "can't be used: see `deephits importers list`"


@click.group(
    name="import", cls=ImporterGroup, short_help="Make a corpus of a table or a public dataset."
)
def import_group() -> None:
    """Make a corpus, the folder that other commands read, from tables, recordings and lyrics.

    Rows that can't be used are listed with the reason in rejected.csv in the corpus.

    \b
    Example:
      deephits import spotgentrack SpotGenTrack corpus --input-dir audio=previews
      deephits import table songs.csv corpus --column popularity=track_popularity
    """


@import_group.command()
@click.argument("folder", type=PATH)
@click.argument("out", type=PATH)
@files_options
@click.option(
    "--artist-rule",
    type=click.Choice(ARTIST_RULES),
    default="first",
    show_default=True,
    help="Popularity of a track's artists: of the first artist, or their maximum or mean.",
)
@click.option(
    "--lyrics-placeholder",
    multiple=True,
    help="Text that means missing lyrics, in addition to the known ones; may be repeated.",
)
@detect_option
@click.option("--no-filters", is_flag=True, help="Don't apply the paper's three filters.")
@json_option
def spotgentrack(
    folder: Path,
    out: Path,
    inputs: tuple[str, ...],
    audio: Path | None,
    artist_rule: Any,
    lyrics_placeholder: tuple[str, ...],
    detect_language: bool,
    no_filters: bool,
    as_json: bool,
) -> None:
    """Import the SpotGenTrack dataset from its published folder, and print the paper's Table 4.

    \b
    Example:
      deephits import spotgentrack SpotGenTrack corpus --input-dir audio=previews
    """
    from deephits_keras.corpus import PAPER_FILTERS, import_spotgentrack

    summary = import_spotgentrack(
        folder,
        out,
        inputs=_folders(inputs, audio),
        artist_rule=artist_rule,
        lyrics_placeholders=lyrics_placeholder,
        detect_language=detect_language,
        filters=() if no_filters else PAPER_FILTERS,
    )
    _show(summary, as_json=as_json)


@import_group.command()
@click.argument("file", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Read the standard column NAME from COLUMN: popularity=track_popularity; may be repeated.",
)
@files_options
@click.option(
    "--encoding", help="Encoding of a text file.  [default: detected: UTF-8, UTF-16 or Latin-1]"
)
@click.option(
    "--popularity-scale", type=float, help="Multiply popularity by this: 100 if it is from 0 to 1."
)
@click.option(
    "--duplicates",
    type=click.Choice(DUPLICATES),
    default="first",
    show_default=True,
    help="Popularity of rows with the same track id: the first, or their maximum or mean.",
)
@click.option(
    "--artist-separator",
    multiple=True,
    metavar="TEXT",
    help="Text that separates artists' names, for example ';'; may be repeated.",
)
@click.option(
    "--known",
    multiple=True,
    metavar="COLUMN=WHEN",
    help="When values of COLUMN are known: release, later, or a column of dates. May be repeated.",
)
@click.option(
    "--raw-lyrics",
    is_flag=True,
    help="Don't clean lyrics: keep text of the web page, such as 'See ... Live'.",
)
@click.option(
    "--keep-sections", is_flag=True, help="Keep section headings in lyrics, such as [Chorus]."
)
@detect_option
@click.option("--filters", is_flag=True, help="Apply the paper's three filters.")
@json_option
def table(
    file: Path,
    out: Path,
    columns: tuple[str, ...],
    inputs: tuple[str, ...],
    audio: Path | None,
    encoding: str | None,
    popularity_scale: float | None,
    duplicates: str,
    artist_separator: tuple[str, ...],
    known: tuple[str, ...],
    raw_lyrics: bool,
    keep_sections: bool,
    detect_language: bool,
    filters: bool,
    as_json: bool,
) -> None:
    """Import a table of songs with a column of popularity from 0 to 100.

    The format (CSV, JSON lines, Parquet, Feather or Excel) is detected from the content. Columns
    keep their names and become metadata fields. If there is no track id, one is made from title
    and artist, so that duplicates are found.

    \b
    Example:
      deephits import table songs.csv corpus --column popularity=track_popularity
    """
    if not file.exists():
        raise UserError(f"There is no file {file}")
    from deephits_keras.corpus import PAPER_FILTERS, import_table
    from deephits_keras.corpus.lyrics import LyricsCleaning

    summary = import_table(
        file,
        out,
        columns=dict(pairs(columns, "--column")),
        inputs=_folders(inputs, audio),
        encoding=encoding,
        filters=PAPER_FILTERS if filters else (),
        lyrics=LyricsCleaning(
            enabled=not raw_lyrics, keep_sections=keep_sections, detect_language=detect_language
        ),
        duplicates=duplicates,
        artist_separators=artist_separator,
        popularity_scale=popularity_scale,
        known=dict(pairs(known, "--known")),
    )
    _show(summary, as_json=as_json)


def dataset_command(name: str) -> click.Command:
    """The command that imports a dataset by its importer."""

    @click.command(name, short_help=f"Import the dataset {name}.")
    @click.argument("source", type=PATH)
    @click.argument("out", type=PATH)
    @files_options
    @click.option("--filters", is_flag=True, help="Apply the paper's three filters.")
    @json_option
    def dataset(
        source: Path,
        out: Path,
        inputs: tuple[str, ...],
        audio: Path | None,
        filters: bool,
        as_json: bool,
    ) -> None:
        from deephits_keras.corpus import PAPER_FILTERS
        from deephits_keras.corpus.importers import import_dataset

        chosen = PAPER_FILTERS if filters else ()
        folders = _folders(inputs, audio)
        summary = import_dataset(name, source, out, inputs=folders, filters=chosen)
        _show(summary, as_json=as_json)

    dataset.help = (
        f"Import the dataset {name} from the file or folder SOURCE.\n\n"
        f"`deephits importers show {name}` lists the files that it reads and what to cite."
    )
    return dataset


def _show(summary: ImportSummary, *, as_json: bool) -> None:
    corpus = summary.corpus
    if as_json:
        described = {f.name: getattr(summary, f.name) for f in dataclasses.fields(summary)}
        steps = summary.steps
        print_json(
            {**described, "corpus": str(corpus.folder), "steps": steps, "tracks": len(corpus)}
        )
        return
    if corpus.synthetic:
        click.echo("This corpus is SYNTHETIC: made up by `deephits sample`.\n")
    if summary.steps:
        print_table(
            "Filters (paper, Table 4)",
            ("step", "criterion", "removed", "removed %", "remaining"),
            (
                (
                    s.step,
                    s.criterion,
                    f"{s.removed:,}",
                    f"{s.removed_percent:.2f}",
                    f"{s.remaining:,}",
                )
                for s in summary.steps
            ),
            text_columns=2,
        )
    click.echo(f"{corpus.folder}: {len(corpus):,} tracks of {summary.source_rows:,} rows")
    without = len(corpus) - summary.with_audio
    click.echo(f"  with a recording  {summary.with_audio:,} (without: {without:,})")
    for note in summary.audio_notes:
        click.echo(f"                    {note}")
    for name, count in summary.with_files.items():
        click.echo(f"  {f'with {name}':<17} {count:,} (without: {len(corpus) - count:,})")
    for note in summary.file_notes:
        click.echo(f"                    {note}")
    click.echo(f"  with lyrics       {summary.with_lyrics:,}")
    for name in summary.unused_files:
        click.echo(
            f"  not used          the column {name} contains file paths: --input-dir {name}=FOLDER"
        )
    if summary.missing:
        fields = ", ".join(f"{name} {count:,}" for name, count in summary.missing.items())
        click.echo(f"  without a value   {fields}")
    for note in summary.notes:
        click.echo(f"  note: {note}")
    rejected = sum(summary.rejected.values())
    if rejected:
        fields = ", ".join(f"{name} {count:,}" for name, count in summary.rejected.items())
        duplicates = f"duplicates: {summary.duplicates:,}"
        click.echo(f"  rejected          {rejected:,} ({fields}; {duplicates})")
        click.echo(f"                    {corpus.folder / 'rejected.csv'}")
