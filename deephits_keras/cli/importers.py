"""`deephits importers`: which datasets can be imported by name."""

from __future__ import annotations

from pathlib import Path

import click

from deephits_keras.cli.common import (
    CommandGroup,
    json_option,
    print_json,
    print_table,
    print_wrapped,
)
from deephits_keras.cli.paths import PATH
from deephits_keras.corpus.importers import Registration, find_importer, registrations
from deephits_keras.errors import UserError


@click.group(cls=CommandGroup)
def importers() -> None:
    """List, show, check and create importers of datasets.

    \b
    Example:
      deephits importers list
      deephits importers show musicoset
      deephits importers new my-dataset
      deephits importers check my-dataset
    """


@importers.command("list")
@json_option
def list_importers(as_json: bool) -> None:
    """List every installed importer; if one can't be used, the reason is shown.

    \b
    Example:
      deephits importers list --json
    """
    rows = [_described(registration) for registration in registrations()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(row["importer"])
        print_wrapped(row["summary"], indent=2)


def _described(registration: Registration) -> dict[str, str]:
    row = {"importer": registration.name, "distribution": registration.origin}
    try:
        loaded = registration.load()
    except UserError as error:
        return {**row, "summary": str(error), "state": "broken"}
    told = {"summary": loaded.summary, "layout": loaded.layout, "citation": loaded.citation}
    return {**row, **told, "state": "ok"}


@importers.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one importer: the files that it reads and the publication to cite.

    \b
    Example:
      deephits importers show musicoset
    """
    importer = find_importer(name)
    if as_json:
        told = ("name", "summary", "layout", "citation", "separators", "later")
        print_json({key: getattr(importer, key) for key in told})
        return
    click.echo(f"{importer.name}: {importer.summary}\n\n{importer.layout}.")
    if importer.later:
        click.echo(f"Known only after a song's release: {', '.join(importer.later)}")
    click.echo(f"\nCite: {importer.citation}")


@importers.command()
@click.argument("name")
@json_option
def check(name: str, as_json: bool) -> None:
    """Check that an importer reads its dataset as `deephits import` needs it.

    The importer's own small example of the dataset is read. The exit code is 1 if a check fails.

    \b
    Example:
      deephits importers check musicoset
    """
    from deephits_keras.testing.importers import run_importer_checks

    results = run_importer_checks(find_importer(name))
    failed = [result for result in results if not result.passed]
    if as_json:
        print_json([{"check": r.name, "passed": r.passed, "message": r.message} for r in results])
    else:
        print_table(
            f"{name}: {len(results) - len(failed)} of {len(results)} checks passed",
            ("check", "result"),
            ((r.name, "passed" if r.passed else f"failed: {r.message}") for r in results),
            text_columns=2,
        )
    if failed:
        raise SystemExit(1)


@importers.command()
@click.argument("name")
@click.option("--out", type=PATH, help="Folder to create.  [default: deephits-NAME]")
def new(name: str, out: Path | None) -> None:
    """Create an importer from a template: a small Python package that passes the checks.

    \b
    Example:
      deephits importers new my-dataset
    """
    from deephits_keras.corpus.importer_scaffold import write_importer

    folder = out or Path(f"deephits-{name}")
    for path in write_importer(folder, name):
        click.echo(path)
    click.echo(f"Next: pip install --editable {folder}; deephits importers check {name}")
