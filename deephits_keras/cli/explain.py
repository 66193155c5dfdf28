"""`deephits explain`: why a song gets its score, and what a run uses of its input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    EncoderCommand,
    import_keras,
    json_option,
    pairs,
    paths,
    print_json,
    print_table,
    seed_option,
    song_options,
)
from deephits_keras.cli.paths import PATH, RUN

if TYPE_CHECKING:
    from deephits_keras.explanation.permutation import Importances
    from deephits_keras.explanation.track import Explanation

PARTS_PRINTED = 5


@click.command(
    cls=EncoderCommand, short_help="Explain a prediction, or which inputs matter to a run."
)
@click.argument("run", type=RUN)
@song_options
@click.option("--track", "track_id", metavar="ID", help="Explain this track of the run's corpus.")
@click.option(
    "--part", help="Without a song: part of the split to use.  [default: test, or else validation]"
)
@click.option(
    "--repeats",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="Without a song: number of permutations of each input.",
)
@seed_option
@click.option(
    "--out", type=PATH, help="Folder for the HTML page and the JSON.  [default: RUN/explain]"
)
@json_option
def explain(
    run: Path,
    audio: Path | None,
    lyrics: Path | None,
    inputs: tuple[str, ...],
    fields: tuple[str, ...],
    track_id: str | None,
    part: str | None,
    repeats: int,
    seed: int,
    out: Path | None,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Explain the prediction for a song, or which inputs matter most to a run.

    With a song: integrated gradients, contributions of the inputs that add up to the score of the
    predicted tier. Without a song: permutation importance of modalities and fields on held-out
    tracks.

    \b
    Example:
      deephits explain run
      deephits explain run song.mp3 --lyrics song.txt --set artist_popularity=63
      deephits explain run --track 7qiZfU4dY1lWllzX7mPBI3
    """
    from deephits_keras.explanation.workflow import plan_explanation

    plan = plan_explanation(
        run,
        audio,
        lyrics=lyrics,
        inputs=paths(inputs, "--input"),
        fields=dict(pairs(fields, "--set")),
        track_id=track_id,
        part=part,
        repeats=repeats,
        seed=seed,
        out=out,
        settings=settings,
    )
    for note in plan.notes:
        click.echo(note, err=True)
    import_keras()
    result = plan.carry_out()
    if as_json:
        print_json(result.to_json())
        return
    _print(result)
    click.echo(f"Page: {plan.page}")


def _print(result: Explanation | Importances) -> None:
    from deephits_keras.explanation.track import Explanation

    if isinstance(result, Explanation):
        _print_explanation(result)
    else:
        _print_importances(result)
    if result.synthetic:
        click.echo("This model was trained on a synthetic corpus: it knows no real music.")


def _print_explanation(explanation: Explanation) -> None:
    from deephits_keras.features.seen import unseen_notes
    from deephits_keras.report.numbers import number, percent, signed

    prediction, attribution = explanation.prediction, explanation.attribution
    click.echo(f"track        {prediction.track_id}")
    click.echo(f"{explanation.target}: {number(attribution.score)}")
    click.echo(f"{explanation.baseline_words}: {number(attribution.baseline_score)}")
    for modality in filter(lambda m: m.unattributed, explanation.modalities):
        names = ", ".join(modality.unattributed)
        click.echo(f"not attributed: {names} of {modality.modality} (whole numbers are held fixed)")
    for warning in (*unseen_notes(prediction.unseen), *prediction.warnings):
        click.echo(f"warning      {warning}")
    rows = []
    for modality in explanation.modalities:
        rows.append((modality.modality, "", signed(modality.contribution)))
        full = [p for p in modality.parts if not p.empty]
        largest = sorted(full, key=lambda p: -abs(p.contribution))[:PARTS_PRINTED]
        largest += [p for p in modality.parts if p.empty]
        for p in filter(lambda p: p.contribution, largest):
            name = f"{p.name} = {p.value}" if p.value else p.name
            rows.append(("", name, signed(p.contribution)))
    title = f"Contributions (their sum misses the difference by {percent(attribution.error)})"
    print_table(title, ("modality", "largest parts", "contribution"), rows, text_columns=2)


def _print_importances(importances: Importances) -> None:
    from deephits_keras.explanation.page import change_column, show_change

    metrics = list(importances.metrics)
    groups = {"modalities": importances.modalities}
    groups |= {f"fields of {modality}": of for modality, of in importances.fields.items()}
    for group, of in groups.items():
        print_table(
            f"{group}: {importances.part}, {importances.tracks} tracks, "
            f"{importances.repeats} repeats",
            ("permuted", *map(change_column, metrics)),
            (
                (i.name, *(show_change(m, v) for m, v in i.worsening.items()))
                for i in sorted(of, key=lambda i: -float(i.worsening[metrics[0]].mean()))
            ),
        )
