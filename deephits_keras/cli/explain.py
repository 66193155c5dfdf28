"""`deephits explain`: why a song gets its score, and what a run uses of its input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deephits_keras.cli.common import (
    PATH,
    EncoderCommand,
    import_keras,
    json_option,
    one_track,
    print_json,
    print_table,
    seed_option,
    song_options,
)
from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.explanation.permutation import Importances
    from deephits_keras.explanation.track import Explanation
    from deephits_keras.runs.run import Run
    from deephits_keras.tracks import Track

PARTS_PRINTED = 5


@click.command(cls=EncoderCommand)
@click.argument("run", type=PATH)
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
    song = audio or lyrics or inputs or fields
    if song and track_id:
        raise UserError("Give either a song or --track, not both")
    if part and (song or track_id):
        raise UserError("--part can't be used with a song or --track: remove one of them")

    import_keras()
    from deephits_keras.prediction.asked import require_read
    from deephits_keras.runs.run import Run
    from deephits_keras.utils.files import write_json, write_text

    opened = Run(run, settings)
    result: Explanation | Importances
    if song or track_id is not None:
        if track_id:
            track = _track_of(opened, track_id)
        else:
            track = one_track(audio, lyrics, inputs, fields)
            for unread in require_read(track, opened.encoders.values()):
                click.echo(f"{unread} is ignored: no encoder of this run reads it", err=True)
        result, page, name = _explain_track(opened, track)
    else:
        result, page = _importances(opened, part, repeats, seed)
        name = "importance"
    target = (out or run / "explain") / name
    write_json(target.with_name(f"{name}.json"), result.to_json())
    write_text(target.with_name(f"{name}.html"), page)
    if out is None and (run / "report.html").exists():
        from deephits_keras.report.run_report import write_report

        # The run's page links to its explanations.
        write_report(run)
    if as_json:
        print_json(result.to_json())
        return
    _print(result)
    click.echo(f"Page: {target}.html")


def _explain_track(run: Run, track: Track) -> tuple[Explanation, str, str]:
    from deephits_keras.explanation.page import track_page
    from deephits_keras.explanation.track import TrackExplainer
    from deephits_keras.prediction.predictor import Predictor

    explanation = TrackExplainer(Predictor(run)).explain(track)
    name = "track-" + re.sub(r"[^\w-]+", "_", track.id)[:80]
    return explanation, track_page(explanation), name


def _importances(run: Run, part: str | None, repeats: int, seed: int) -> tuple[Importances, str]:
    from deephits_keras.corpus import Corpus
    from deephits_keras.explanation.page import importance_page
    from deephits_keras.explanation.permutation import importances

    corpus = Corpus.open(Path(run.config.corpus["folder"]))
    found = importances(run, corpus, part=part, repeats=repeats, seed=seed)
    return found, importance_page(found)


def _track_of(run: Run, track_id: str) -> Track:
    from deephits_keras.corpus import Corpus

    corpus = Corpus.open(Path(run.config.corpus["folder"]))
    if track_id not in corpus.track_ids:
        raise UserError(f"{corpus.folder} has no track {track_id!r}")
    return corpus.tracks([corpus.track_ids.index(track_id)])[0]


def _print(result: Explanation | Importances) -> None:
    from deephits_keras.explanation.track import Explanation

    if isinstance(result, Explanation):
        _print_explanation(result)
    else:
        _print_importances(result)
    if result.synthetic:
        click.echo("This model was trained on a synthetic corpus: it knows no real music.")


def _print_explanation(explanation: Explanation) -> None:
    prediction, attribution = explanation.prediction, explanation.attribution
    click.echo(f"track        {prediction.track_id}")
    click.echo(f"{explanation.target}: {attribution.score:.4f}")
    click.echo(f"{explanation.baseline_words}: {attribution.baseline_score:.4f}")
    for modality in filter(lambda m: m.unattributed, explanation.modalities):
        names = ", ".join(modality.unattributed)
        click.echo(f"not attributed: {names} of {modality.modality} (whole numbers are held fixed)")
    for warning in prediction.warnings:
        click.echo(f"warning      {warning}")
    rows = []
    for modality in explanation.modalities:
        rows.append((modality.modality, "", f"{modality.contribution:+.4f}"))
        largest = sorted(modality.parts, key=lambda p: -abs(p.contribution))[:PARTS_PRINTED]
        for p in filter(lambda p: p.contribution, largest):
            name = f"{p.name} = {p.value}" if p.value else p.name
            rows.append(("", name, f"{p.contribution:+.4f}"))
    title = f"Contributions (completeness error {attribution.error:.2%})"
    print_table(title, ("modality", "largest parts", "contribution"), rows, text_columns=2)


def _print_importances(importances: Importances) -> None:
    metrics = list(importances.metrics)
    groups = {"modalities": importances.modalities}
    groups |= {f"fields of {modality}": of for modality, of in importances.fields.items()}
    for group, of in groups.items():
        print_table(
            f"{group}: {importances.part}, {importances.tracks} tracks, "
            f"{importances.repeats} repeats",
            ("permuted", *(f"{metric} worse by" for metric in metrics)),
            (
                (i.name, *(f"{v.mean():+.4f} ± {v.std():.4f}" for v in i.worsening.values()))
                for i in sorted(of, key=lambda i: -float(i.worsening[metrics[0]].mean()))
            ),
        )
