"""`deephits sample`: make a synthetic corpus."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from deephits_keras.choices import CAUSES
from deephits_keras.cli.common import json_option, print_json, print_table, seed_option
from deephits_keras.cli.paths import PATH


@click.command(short_help="Write a synthetic dataset to try things out with.")
@click.argument("out", type=PATH)
@click.option(
    "--tracks", type=click.IntRange(min=1), default=200, show_default=True, help="Number of tracks."
)
@click.option(
    "--causes",
    type=click.Choice(CAUSES),
    default="all",
    show_default=True,
    help="Modalities that the popularity depends on.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 30),
    default=30,
    show_default=True,
    help="Longest recording in seconds; shorter ones are made faster.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Number of processes.  [default: one per core]"
)
@seed_option
@json_option
def sample(
    out: Path,
    tracks: int,
    causes: str,
    seconds: float,
    jobs: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Write a synthetic dataset with known causes of popularity to the folder OUT.

    It has the format of the SpotGenTrack dataset: synthesised MP3 files, lyrics in five languages
    and tables, with some values of each kind missing. OUT/truth.csv lists the causes of each
    track's popularity, OUT/README.txt describes the files.

    Run the same command again to continue after an interruption.

    \b
    Example:
      deephits sample demo/raw --tracks 200
      deephits import spotgentrack demo/raw demo/corpus
    """
    from deephits_keras.sample import make_sample

    summary = make_sample(out, tracks, seed, causes=causes, seconds=seconds, jobs=jobs)
    values = dataclasses.asdict(summary) | {"folder": str(summary.folder), "synthetic": True}
    if as_json:
        print_json(values)
        return
    shown = values | {"synthetic": "yes"}
    print_table("Synthetic corpus", ["what", "value"], shown.items())
