"""Rolling origins with the paper's model: how its metrics change with the years after training.

OUT/rolling/seed-<n>/ is what `training.rolling` writes for one seed, with a page of its own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from deephits_keras.report.labels import METRICS
from deephits_keras.reproduction.deep import Setup
from deephits_keras.reproduction.pictures import MAIN_TASK, Pictures
from deephits_keras.reproduction.tables import MEASURED, Table, metric_columns, summary
from deephits_keras.training.rolling import RESULTS, plan_rolling, train_rolling
from deephits_keras.training.rolling_page import CURVES, draw_curve
from deephits_keras.training.rolling_rows import RollingRow
from deephits_keras.training.series import trained
from deephits_keras.utils.files import read_record
from deephits_keras.utils.progress import progress

FOLDER = "rolling"

OF_TABLE = ("macro_f1", "accuracy", "tier_mae", "roc_auc")

Found = dict[int, list[RollingRow]]
"""Rows by seed."""


def run_rolling(setup: Setup, origins: Sequence[int], horizon: int, seeds: Iterable[int]) -> None:
    """Train what isn't finished: per seed and origin, all modalities and each alone.

    Args:
        setup: Settings of the runs.
        origins: First test years.
        horizon: Number of test years.
        seeds: The seeds.

    Raises:
        UserError: if an origin leaves too few songs, or the folder has runs of other settings.
    """
    options = dataclasses.asdict(setup.training)
    del options["seed"]
    # All are planned first: what is impossible is told before any training.
    plans = [
        plan_rolling(
            setup.corpus,
            setup.out / FOLDER / f"seed-{seed}",
            origins=origins,
            horizon=horizon,
            recipe="paper",
            modalities=",".join(f"{m}={encoder.name}" for m, encoder in setup.encoders.items()),
            settings={e.name: dataclasses.asdict(e.config) for e in setup.encoders.values()},
            fusion=setup.fusion,
            training=options,
            task=MAIN_TASK,
            seed=seed,
        )
        for seed in seeds
    ]
    waiting = [training for plan in plans for training in plan.plans.values()]
    for training in progress(waiting, total=len(waiting), what="rolling origins"):
        trained(training)
    for plan in plans:
        train_rolling(plan)


def read_rolling(out: Path) -> Found:
    """The finished results, by seed.

    Raises:
        UserError: if a file is damaged.
    """
    found = {}
    for path in sorted(out.glob(f"{FOLDER}/seed-*/{RESULTS}")):
        if seed := re.fullmatch(r"seed-(\d+)", path.parent.name):
            found[int(seed[1])] = read_record(path, list[RollingRow], "results of rolling origins")
    return found


def _over_seeds(found: Found) -> dict[tuple[str, int | None, int | None], list[RollingRow]]:
    grouped: dict[tuple[str, int | None, int | None], list[RollingRow]] = {}
    for rows in found.values():
        for row in rows:
            grouped.setdefault((row.modalities, row.origin, row.years), []).append(row)
    return grouped


def rolling_tables(found: Found) -> list[Table]:
    """One line per set of modalities and number of years; empty without results."""
    lines = [
        summary(f"{modalities}, year {years}", MEASURED, [row.metrics for row in rows], OF_TABLE)
        for (modalities, origin, years), rows in _over_seeds(found).items()
        if origin is None and years is not None
    ]
    if not lines:
        return []
    note = (
        f"Trained on the songs before each origin, tested on those of the years from it (year 0): "
        f"{MAIN_TASK}, the songs of all origins together. {FOLDER}/seed-N/rolling.html has every "
        "metric, and each origin."
    )
    return [
        Table("rolling", "Years after training", metric_columns(OF_TABLE), tuple(lines), (note,))
    ]


def rolling_pictures(found: Found) -> Pictures:
    """A curve of each metric by years since the origin, the mean over seeds."""
    means = [
        dataclasses.replace(
            rows[0],
            metrics={
                name: float(np.mean(values))
                for name in CURVES
                if (values := [v for row in rows if (v := row.metrics.get(name)) is not None])
            },
            intervals={},
        )
        for rows in _over_seeds(found).values()
    ]
    names = [name for name in CURVES if any(name in row.metrics for row in means)]
    return {
        f"rolling {name}": (
            f"{METRICS[name].name} by years since the origin",
            draw_curve(means, name),
        )
        for name in names
    }
