"""`deephits drift`: is a corpus like the tracks that a run was trained on?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    import_keras,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS, PATH, RUN


@click.command(cls=EncoderCommand)
@click.argument("run", type=RUN)
@click.argument("corpus", type=CORPUS)
@click.option(
    "--level",
    type=float,
    default=0.05,
    show_default=True,
    help="Probability that any of the tests finds drift where there is none.",
)
@click.option(
    "--fields-only", is_flag=True, help="Compare only fields and popularity, without features."
)
@click.option(
    "--out", type=PATH, metavar="FOLDER", help="Folder of the page.  [default: RUN/drift]"
)
@json_option
def drift(
    run: Path,
    corpus: Path,
    level: float,
    fields_only: bool,
    out: Path | None,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Test whether a corpus is like a run's training tracks.

    Fields, unknown values, each modality's extracted features and the tiers of popularity are
    compared by two-sample tests, adjusted for their number; where the popularity is known, the
    run's metrics as well. The exit code is 0 whether drift is found or not: --json has `drift`.

    \b
    Example:
      deephits drift run new-corpus
      deephits drift run new-corpus --fields-only --json
    """
    from deephits_keras.drift_detection.workflow import plan_drift

    plan = plan_drift(run, corpus, level=level, fields_only=fields_only, out=out, settings=settings)
    if plan.needs_keras:
        import_keras()
    result = plan.carry_out()
    if as_json:
        print_json(result)
        return
    from deephits_keras.drift_detection.page import COLUMNS, METRIC_COLUMNS, cells, metric_rows
    from deephits_keras.drift_detection.pictures import most_different

    if result.comparisons:
        rows = [cells(each) for each in most_different(result.comparisons)]
        print_table("Tests", COLUMNS, rows)
    if result.metrics:
        print_table("Metrics", METRIC_COLUMNS, metric_rows(result))
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo(result.verdict)
    click.echo(f"Page: {result.page}")
