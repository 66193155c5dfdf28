"""`deephits verify`: whether a corpus, a run or a bundle is whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from deephits_keras.cli.common import PATH, json_option, print_json


@click.command()
@click.argument("folder", type=PATH, metavar="CORPUS|RUN|BUNDLE")
@click.option(
    "--check-content",
    is_flag=True,
    help="Also read every recording and other input file, and compare it with its features.",
)
@json_option
def verify(folder: Path, check_content: bool, as_json: bool) -> None:
    """Check every checksum of a corpus (tracks table, features), a run or a bundle.

    Of a corpus, also whether features are of the inputs that it has now: recordings and other
    files count by size and modification time.

    Says what is damaged, missing or unfinished, and what to do. Exits with 0 if all is whole,
    with 1 if not, with 2 if the folder is none of them.

    \b
    Example:
      deephits verify corpus
      deephits verify run --json
    """
    from deephits_keras.verification import verify as verify_folder

    result = verify_folder(folder, check_content=check_content)
    if as_json:
        print_json(
            {**dataclasses.asdict(result), "folder": str(result.folder), "whole": result.whole}
        )
    else:
        for finding in result.findings:
            click.echo(f"{finding.state:<10}  {finding.file}: {finding.problem}")
        for remedy in dict.fromkeys(finding.remedy for finding in result.findings):
            click.echo(f"What to do: {remedy}")
        wrong = len(result.findings)
        told = "whole" if result.whole else f"NOT whole, {wrong} finding{'s' * (wrong > 1)}"
        click.echo(f"{folder}: a {result.kind}, {told}; {result.checked} files checked")
    if not result.whole:
        raise click.exceptions.Exit(1)
