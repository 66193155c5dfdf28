"""`deephits verify`: whether a corpus, a run or a bundle is whole."""

from __future__ import annotations

from pathlib import Path

import click

from deephits_keras.cli.common import json_option, print_json
from deephits_keras.cli.paths import PATH
from deephits_keras.utils.records import to_plain


@click.command(short_help="Check that a corpus, a run or a bundle is undamaged.")
@click.argument("folder", type=PATH, metavar="CORPUS|RUN|BUNDLE")
@click.option(
    "--check-content",
    is_flag=True,
    help="Also compare the content of every input file with the features extracted from it.",
)
@json_option
def verify(folder: Path, check_content: bool, as_json: bool) -> None:
    """Check that a corpus, a run or a bundle is complete and undamaged.

    Every checksum is compared. In a corpus, features are also checked against their inputs:
    files by size and modification time.

    Prints what is damaged, missing or unfinished, and how to repair it. The exit code is 0 if
    everything is whole, 1 if not, and 2 if the folder is not a corpus, run or bundle.

    \b
    Example:
      deephits verify corpus
      deephits verify run --json
    """
    from deephits_keras.verification import verify as verify_folder

    result = verify_folder(folder, check_content=check_content)
    if as_json:
        print_json({**to_plain(result), "whole": result.whole})
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
