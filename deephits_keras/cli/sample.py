"""`deephits sample`: make a synthetic corpus."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from deephits_keras.cli.common import PATH, json_option, print_json, print_table, seed_option


@click.command()
@click.argument("out", type=PATH)
@click.option("--tracks", type=click.IntRange(min=1), default=200, show_default=True)
@click.option(
    "--causes",
    type=click.Choice(["all", "audio", "lyrics", "meta"]),
    default="all",
    show_default=True,
    help="What the popularity depends on.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 30),
    default=30,
    show_default=True,
    help="Longest preview; shorter ones are made faster.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one for each core]")
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
    """Make a synthetic corpus with known causes in OUT.

    It has the format of the SpotGenTrack dataset, with MP3s synthesised and encoded on the spot,
    lyrics in five languages and some of everything missing. OUT/truth.csv says what each track's
    popularity is made of, OUT/README.txt what is what. Everything in it is synthetic.

    Start the same command again to go on after an interruption.

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
    print_table("Synthetic corpus", ["What", "Value"], values.items())
