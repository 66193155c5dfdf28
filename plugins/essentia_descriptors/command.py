"""`deephits essentia`: the verb that this plug-in adds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from deephits_keras.cli.common import (
    CommandGroup,
    EncoderCommand,
    jobs_option,
    json_option,
    print_json,
    print_table,
)
from deephits_keras.cli.paths import CORPUS, PATH
from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.corpus import Corpus

    from .encoder import EssentiaDescriptors
    from .fit import Fit

METRICS = ("tracks", "r2", "mae", "default_r2", "default_mae", "outcome")


@click.group(cls=CommandGroup)
def essentia() -> None:
    """Measure Spotify's audio descriptors with Essentia.

    \b
    Example:
      deephits essentia fit corpus
    """


@essentia.command(cls=EncoderCommand)
@click.argument("corpus", type=CORPUS)
@click.option("--out", type=PATH, help="Folder of the results.  [default: CORPUS/essentia]")
@jobs_option
@json_option
def fit(
    corpus: Path,
    out: Path | None,
    jobs: int,
    as_json: bool,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Fit a mapping from Essentia's measurements to Spotify's audio descriptors.

    Trains on the tracks of CORPUS that have a recording and Spotify's descriptors (columns such as
    energy), evaluates on held-out tracks, and writes calibration.json and report.html with one
    scatter plot per descriptor. With --essentia-models, predictions of Essentia's pretrained
    models are inputs as well.

    \b
    Example:
      deephits essentia fit corpus --jobs 4
      deephits predict run song.mp3 --descriptors essentia \\
          --essentia-calibration corpus/essentia/calibration.json
    """
    from deephits_keras.corpus import Corpus
    from deephits_keras.features.extraction import corpus_encoders
    from deephits_keras.utils.files import write_text

    from .encoder import EssentiaDescriptors
    from .fit import FOLDS
    from .page import fit_page

    opened = Corpus.open(corpus)
    name = EssentiaDescriptors.name
    encoders = corpus_encoders(opened, f"{EssentiaDescriptors.modality}={name}", settings)
    encoder = cast(EssentiaDescriptors, encoders[EssentiaDescriptors.modality])
    learnt = fit_corpus(opened, encoder, jobs)
    folder = out or corpus / "essentia"
    page = fit_page(learnt, str(corpus), synthetic=opened.synthetic, folds=FOLDS)
    learnt.mapping.save(folder / "calibration.json")
    write_text(folder / "report.html", page)
    rows = {d.name: {f: getattr(d, f) for f in METRICS} for d in learnt.descriptors}
    if as_json:
        print_json(
            {
                "calibration": str(folder / "calibration.json"),
                "report": str(folder / "report.html"),
                "tracks": learnt.tracks,
                "synthetic": opened.synthetic,
                "descriptors": rows,
                "skipped": learnt.skipped,
                "agreement": learnt.agreement,
            }
        )
        return
    _print(learnt, rows)
    if opened.synthetic:
        click.echo("The corpus is synthetic: these metrics say nothing about real music.")
    click.echo(f"Calibration: {folder / 'calibration.json'}\nReport: {folder / 'report.html'}")


def fit_corpus(corpus: Corpus, encoder: EssentiaDescriptors, jobs: int = -1) -> Fit:
    """Extract the measurements that are missing, and fit the mapping.

    Args:
        corpus: Tracks with recordings and Spotify's descriptors.
        encoder: Measures the recordings; its calibration, if it has one, is not used.
        jobs: Number of worker processes; -1: one per core.

    Raises:
        UserError: if the corpus has no recordings or no descriptors to learn from.
    """
    import numpy as np

    from deephits_keras.corpus.splits import artist_groups
    from deephits_keras.features.extraction import extract_features
    from deephits_keras.features.store import FeatureStore

    from .fit import fit_mapping
    from .mapping import RANGES

    columns = [name for name in RANGES if name in corpus.columns]
    if not columns:
        raise UserError(f"{corpus.folder} has none of the descriptors to fit: {', '.join(RANGES)}")
    extract_features(corpus, encoder, jobs=jobs)
    store = FeatureStore.open(corpus, encoder)
    rows = np.flatnonzero(store.present)
    if not rows.size:
        raise UserError(f"{corpus.folder} has no recordings to measure")
    spotify = {name: corpus.column(name).to_numpy(dtype=np.float64)[rows] for name in columns}
    try:
        groups = artist_groups(corpus)[rows]
    except UserError:
        groups = rows
    statistics = store.gather(rows)[0]["statistics"]
    return fit_mapping(statistics, spotify, groups, encoder.default_mapping)


def _print(learnt: Fit, rows: dict[str, dict[str, Any]]) -> None:
    print_table(
        f"Metrics on held-out tracks ({learnt.tracks} tracks in all)",
        ("descriptor", "outcome", "tracks", "R2", "MAE", "R2, default", "MAE, default"),
        [
            (name, row["outcome"], row["tracks"], *(_shown(row[f]) for f in METRICS[1:-1]))
            for name, row in rows.items()
        ]
        + [(name, reason, *[""] * 5) for name, reason in learnt.skipped.items()],
        text_columns=2,
    )
    for name, share in learnt.agreement.items():
        click.echo(f"{name}: the measured value equals Spotify's on {share:.1%} of the tracks")


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
