"""`deephits evaluate`: a run's metrics, on its own corpus or on another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    import_keras,
    jobs_option,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS, RUN


@click.command(cls=EncoderCommand)
@click.argument("run", type=RUN)
@click.option("--corpus", type=CORPUS, help="Evaluate on all tracks of this corpus instead.")
@click.option(
    "--part",
    help="Part of the run's split: train, validation or test.  [default: the held-out parts]",
)
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Metrics of each value of this column, in addition to decades, genres, languages and "
    "markets. Repeatable.",
)
@jobs_option
@json_option
def evaluate(
    run: Path,
    corpus: Path | None,
    part: str | None,
    by: tuple[str, ...],
    jobs: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Compute the metrics of a run (paper, Section 2.2.3).

    Without --corpus, the held-out parts of the run's own corpus are used, and the metrics equal
    those in RUN/metrics.json. Metrics of groups of tracks have bootstrap intervals of 95%.

    \b
    Example:
      deephits evaluate run --part validation
      deephits evaluate run --corpus another-corpus --json
    """
    from deephits_keras.training.workflow import evaluation, rows_to_score

    opened, tracks, _ = rows_to_score(run, corpus=corpus, part=part, settings=settings)
    if by:
        from deephits_keras.corpus.groups import groupings

        groupings(tracks, by)
    import_keras()
    from deephits_keras.report.groups import group_table
    from deephits_keras.report.labels import metric_name, show_metric

    found = evaluation(opened, corpus=corpus and tracks, part=part, jobs=jobs, by=by)
    if as_json:
        print_json(
            {
                "run": str(run),
                "corpus": str(tracks.folder),
                "parts": found.parts,
                "groups": found.groups,
                "warnings": found.warnings,
            }
        )
        return
    for name, of_part in found.parts.items():
        for tiers, values in of_part.items():
            print_table(
                f"{name}: {tiers}",
                ("metric", "value"),
                ((metric_name(k), show_metric(k, v)) for k, v in values.items() if v is not None),
            )
        for kind, grouping in found.groups[name].items():
            table = group_table(kind, grouping)
            if table.rows:
                print_table(f"{name}: by {kind}", table.columns, table.rows)
            if table.note:
                click.echo(table.note if table.rows else f"{name}: by {kind}: {table.note}")
    for warning in found.warnings:
        click.echo(f"warning: {warning}")
