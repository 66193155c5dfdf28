"""Sections of the help of verbs with many options."""

from __future__ import annotations

import click

SECTIONS = {
    "Model": (
        *("recipe", "modalities", "fusion", "fusion_weights", "head", "task", "dropout"),
        *("start_from", "freeze", "allow_seen_tracks", "weights_for"),
    ),
    "Split": (
        *("split", "validation", "test", "fold", "folds"),
        *("origin", "horizon", "since", "rehearsal", "by", "held_out"),
        *("origins", "allow_later"),
    ),
    "Training": (
        *("quality", "time_limit", "epochs", "batch_size", "optimizer", "schedule"),
        *("max_learning_rate", "anneal", "l2", "patience", "modality_dropout", "select"),
        *("with_boosting", "ensemble", "seed"),
    ),
    "Loss": (
        *("loss", "focal_gamma", "rank_weight", "triplet_weight", "triplet_margin"),
        "class_weights",
    ),
    "Tiers and intervals from scores": ("calibrate", "decoding", "coverage"),
    "Computing": (
        *("precision", "xla", "cache", "distribute"),
        *("jobs", "engine", "scheduler"),
    ),
}
"""Names of the options in each section, by its heading; others stand under "Options"."""

FEWEST = 20
"""With fewer options a verb's help has no sections."""


def write_sections(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> bool:
    """Write a command's options in sections.

    Returns:
        Whether it has so many options; otherwise nothing is written.
    """
    options = [p for p in command.get_params(ctx) if isinstance(p, click.Option)]
    records = {str(p.name): p.get_help_record(ctx) for p in options}
    told = {name: record for name, record in records.items() if record is not None}
    if len(told) < FEWEST:
        return False
    for heading, names in SECTIONS.items():
        rows = [told.pop(name) for name in names if name in told]
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)
    with formatter.section("Options"):
        formatter.write_dl(list(told.values()))
    return True
