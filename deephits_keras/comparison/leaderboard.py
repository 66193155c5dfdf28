"""Results of a comparison: one leaderboard per task and protocol, as a page and as files.

OUT/leaderboard.html   everything, self-contained
OUT/leaderboard.md     the tables, for a document
OUT/leaderboard.json   the same for a program
OUT/rows.csv           one line per recipe, seed and protocol
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deephits_keras.choices import SPLITS_BY_TIME
from deephits_keras.comparison.run import PROTOCOLS, REFERENCES
from deephits_keras.comparison.statistics import Ranking, leak_p_value, rank
from deephits_keras.comparison.trial import RESULT
from deephits_keras.errors import UserError
from deephits_keras.recipes import Recipe, get_recipe
from deephits_keras.report.labels import metric_name, show_metric
from deephits_keras.report.pages import render_page
from deephits_keras.reproduction.tables import published
from deephits_keras.tasks import get_task
from deephits_keras.utils.files import read_record, replacing, write_json, write_text
from deephits_keras.utils.records import to_plain

LEAK_LEVEL = 0.001
"""A control with a smaller p-value is target leakage, or suspect: see `LEAK_LEVEL_OF_ALL`."""

LEAK_LEVEL_OF_ALL = 0.01
"""Divided by the number of controls, a lower limit than `LEAK_LEVEL` for target leakage: without a
leak the smallest p-value of many controls is small."""

TIER_METRICS = ("macro_f1", "accuracy", "roc_auc", "spearman")
SCALE_METRICS = ("r2", "mae", "spearman", "kendall")
"""Metrics of tiers and of regression; recipes are ranked by the first one."""

Measured = tuple[float, float | None]
"""Mean and standard deviation over the seeds."""

SAME_SPLIT = (
    "By date every seed has the same test tracks: spread and test are those of training alone, and "
    "tell nothing of other songs."
)
SHARED = "The splits share tracks, so the true uncertainty is larger."


@dataclass(frozen=True)
class Line:
    """One recipe on one board.

    Attributes:
        recipe: Its name.
        kind: `reference` for a baseline, else the recipe's fidelity.
        seeds: Number of seeds.
        metrics: Mean and standard deviation of each metric over the seeds; None where undefined,
            as the deviation of one seed is.
        rank: Mean rank; None if it lacks splits that others have.
        seconds: Mean training time in seconds.
        parameters: Number of trainable parameters; None if it has none.
        modalities: Modalities that it used.
        control: p-value of its controls' rank correlation without a leak; None without controls.
        leaks: Whether its control shows target leakage.
    """

    recipe: str
    kind: str
    seeds: int
    metrics: Mapping[str, Measured | None]
    rank: float | None
    seconds: float
    parameters: int | None
    modalities: str
    control: float | None
    leaks: bool = False


@dataclass(frozen=True)
class Board:
    """The leaderboard of one task under one protocol, the best first.

    Attributes:
        task: The task.
        protocol: The protocol.
        meaning: The protocol in words.
        metrics: Names of the metrics; recipes are ranked by the first one.
        lines: One line per recipe.
        ranking: Ranking of the recipes with every split; None if there is none.
        one_tier: Whether all test tracks of a split are of one tier.
    """

    task: str
    protocol: str
    meaning: str
    metrics: tuple[str, ...]
    lines: Sequence[Line]
    ranking: Ranking | None
    one_tier: bool

    @property
    def same_split(self) -> bool:
        """Whether every seed has the same test tracks, but for ties."""
        return self.protocol in SPLITS_BY_TIME


@dataclass(frozen=True)
class Leaderboard:
    """Every board of a comparison.

    Attributes:
        out: The comparison's folder.
        boards: One per task and protocol.
        rows: All results.
        outcome: The fields of `run.Outcome`.
        published: Published metrics of the recipes, and why they can't be compared.
        synthetic: Whether the corpus was made by `deephits sample`.
        tracks: Number of tracks of the corpus.
    """

    out: Path
    boards: Sequence[Board]
    rows: Sequence[Mapping[str, Any]]
    outcome: Mapping[str, Any]
    published: Sequence[Mapping[str, Any]]
    synthetic: bool
    tracks: int

    @classmethod
    def from_folder(cls, out: Path, *, synthetic: bool, tracks: int) -> Leaderboard:
        """Read the finished trials in a comparison's folder.

        Args:
            out: The folder.
            synthetic: Whether the corpus is synthetic.
            tracks: Its number of tracks.

        Raises:
            UserError: if nothing is finished there, or a result is damaged.
        """
        rows = [
            read_record(path, dict[str, Any], "a result")
            for path in sorted(out.glob(f"*/*/*/*/*/{RESULT}"))
        ]
        measured = [row for row in rows if not row["control"]]
        if not measured:
            raise UserError(f"No trial in {out} is finished")
        keys = dict.fromkeys((row["task"], row["protocol"]) for row in measured)
        boards = [board(rows, task, protocol) for task, protocol in keys]
        noted = read_record(out / "outcome.json", dict[str, dict[str, Any]], "a comparison")
        # A comparison of an earlier version noted less.
        outcome = {"without_effect": {}, "copies": {}, "failed": {}, "not_apart": {}, **noted}
        return cls(out, boards, rows, outcome, published()["peers"], synthetic, tracks)

    @property
    def leaks(self) -> list[str]:
        """Recipes whose controls show target leakage."""
        return sorted({line.recipe for b in self.boards for line in b.lines if line.leaks})

    @property
    def suspects(self) -> list[str]:
        """Other recipes with a small p-value, which may be chance among so many controls."""
        small = {
            line.recipe
            for b in self.boards
            for line in b.lines
            if line.control is not None and line.control < LEAK_LEVEL
        }
        return sorted(small - set(self.leaks))

    @property
    def warnings(self) -> list[str]:
        """Warnings at the top of the page."""
        found = []
        if self.leaks:
            found.append(
                "TARGET LEAKAGE. Trained on shuffled popularity, these recipes still predict it: "
                f"{', '.join(self.leaks)}. Trust nothing on this page before the cause is found."
            )
        if self.suspects:
            found.append(
                "PERHAPS A LEAK. Trained on shuffled popularity, these recipes predict it better "
                f"than one in {1 / LEAK_LEVEL:,.0f} would by chance: {', '.join(self.suspects)}. "
                "Among many controls one may be chance: run the command again with more --controls."
            )
        if one := [b for b in self.boards if b.one_tier]:
            told = ", ".join(f"{b.task} by {b.protocol}" for b in one)
            found.append(
                "ONE TIER. All test tracks of a split are of one tier, so that its metrics say "
                f"nothing: {told}. Compare on a corpus with more tracks, or by another task."
            )
        if copies := self.outcome["copies"]:
            told = ", ".join(f"{name} ({rho:.3f})" for name, rho in copies.items())
            found.append(
                "NEARLY THE POPULARITY ITSELF. These columns order the tracks almost as their "
                f"popularity does (rank correlation): {told}. If they are made of it or known only "
                "after the release, compare without the recipes that read them: --post-release "
                f"{','.join(copies)}"
            )
        return found

    def notes(self, board: Board) -> list[str]:
        """What to know about a board's splits and ranks."""
        return [_told_of(board), *self.not_apart(board)]

    def not_apart(self, board: Board) -> list[str]:
        """What a board's splits can't promise, told of the first."""
        notes = self.outcome["not_apart"].get(board.protocol, ())
        return [f"Of seed 0, {note}." for note in notes]

    @property
    def page(self) -> Path:
        """The page that `write` writes."""
        return self.out / "leaderboard.html"

    def to_frame(self) -> pd.DataFrame:
        """One row per recipe, task and protocol: means of its metrics, and its mean rank."""
        return pd.DataFrame(
            {
                "task": board.task,
                "protocol": board.protocol,
                "recipe": line.recipe,
                **{name: mean and mean[0] for name, mean in line.metrics.items()},
                "rank": line.rank,
                "seconds": line.seconds,
            }
            for board in self.boards
            for line in board.lines
        )

    def to_json(self) -> dict[str, Any]:
        """The leaderboard as JSON types."""
        # By hand: the file has properties, and not every field.
        return {
            "synthetic": self.synthetic,
            "tracks": self.tracks,
            "boards": [to_plain(board) for board in self.boards],
            "leaks": self.leaks,
            "left_out": self.outcome["left_out"],
            "without": self.outcome["without"],
            "without_effect": self.outcome["without_effect"],
            "copies": self.outcome["copies"],
            "failed": self.outcome["failed"],
            "not_apart": self.outcome["not_apart"],
            "published": list(self.published),
            "rows": list(self.rows),
        }

    def write(self) -> Path:
        """Write the page and the other files.

        Returns:
            The page's path.
        """
        write_json(self.out / "leaderboard.json", self.to_json())
        write_text(self.out / "leaderboard.md", self.markdown())
        with replacing(self.out / "rows.csv") as temporary:
            pd.DataFrame([_flat(row) for row in self.rows]).to_csv(temporary, index=False)
        page = render_page(
            __package__,
            "leaderboard.html.jinja",
            synthetic=self.synthetic,
            warnings=self.warnings,
            bad_warnings=True,
            filters={
                "metric": metric_name,
                "measured": show_measured,
                "seconds": _seconds,
                "count": _count,
            },
            board=self,
            recipes={row["recipe"]: _told(row["recipe"]) for row in self.rows},
        )
        write_text(self.page, page)
        return self.page

    def markdown(self) -> str:
        """The boards as Markdown tables."""
        text = []
        for each in self.boards:
            head = ["recipe", *each.metrics, "rank", "seconds", "parameters", "on"]
            text += [f"### {each.task}, {each.protocol}", "", _row(head)]
            text.append(_row(["---"] * len(head)))
            for line in each.lines:
                metrics = [show_measured(line.metrics[name], name) for name in each.metrics]
                standing = "" if line.rank is None else f"{line.rank:.1f}"
                cost = [_seconds(line.seconds), _count(line.parameters)]
                text.append(_row([line.recipe, *metrics, standing, *cost, line.modalities]))
            for note in self.notes(each):
                text += ["", note]
            text.append("")
        return "\n".join(text)


def board(rows: Sequence[Mapping[str, Any]], task: str, protocol: str) -> Board:
    """The board of one task and protocol.

    Args:
        rows: Results.
        task: The task.
        protocol: The protocol.
    """
    here = [r for r in rows if (r["task"], r["protocol"]) == (task, protocol)]
    regression = get_task(task).kind == "regression"
    names = SCALE_METRICS if regression else TIER_METRICS
    by_recipe: dict[str, list[Mapping[str, Any]]] = {}
    controls: dict[str, list[Mapping[str, Any]]] = {}
    for row in here:
        (controls if row["control"] else by_recipe).setdefault(row["recipe"], []).append(row)
    every = {row["seed"] for row in here if not row["control"]}
    main = {
        name: [_metric(row, task, names[0]) or 0.0 for row in sorted(own, key=lambda r: r["seed"])]
        for name, own in by_recipe.items()
        if {row["seed"] for row in own} == every
    }
    ranking = rank(main) if main else None
    tested = {
        (row["recipe"], row["task"], row["protocol"])
        for row in rows
        if row["control"] and row["metrics"]["ranking"]["spearman"] is not None
    }
    level = min(LEAK_LEVEL, LEAK_LEVEL_OF_ALL / max(len(tested), 1))
    p_values = {name: _control(own) for name, own in controls.items()}
    lines = [
        Line(
            recipe=name,
            kind="reference" if name in REFERENCES else _fidelity(name),
            seeds=len(own),
            metrics={f: _spread([_metric(row, task, f) for row in own]) for f in names},
            rank=ranking.ranks.get(name) if ranking else None,
            seconds=statistics.fmean(row["seconds"] for row in own),
            parameters=own[0]["parameters"],
            modalities=own[0]["modalities"],
            control=p_values.get(name),
            leaks=p_values.get(name, 1.0) < level,
        )
        for name, own in by_recipe.items()
    ]
    lines.sort(key=lambda line: -(line.metrics[names[0]] or (-9.0, None))[0])
    # With a single true tier there is no ROC curve.
    one_tier = not regression and any(_metric(row, task, "roc_auc") is None for row in here)
    return Board(task, protocol, PROTOCOLS[protocol], names, lines, ranking, one_tier)


def _metric(row: Mapping[str, Any], task: str, name: str) -> float | None:
    groups = row["metrics"]
    for group in (get_task(task).tiers.name, "regression", "ranking"):
        if name in groups.get(group, {}):
            value: float | None = groups[group][name]
            return value
    return None


def _spread(values: Sequence[float | None]) -> Measured | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None


def _control(rows: Sequence[Mapping[str, Any]]) -> float:
    rhos = [row["metrics"]["ranking"]["spearman"] or 0.0 for row in rows]
    return leak_p_value(rhos, [row["tracks"] for row in rows])


def _fidelity(name: str) -> str:
    try:
        return get_recipe(name).fidelity
    except UserError:
        return "not installed here"


def _told(name: str) -> Recipe:
    try:
        return get_recipe(name)
    except UserError:
        return Recipe(name, "not installed here")


def show_measured(value: Measured | None, metric: str) -> str:
    """Mean and standard deviation of a metric as text."""
    return " ± ".join(show_metric(metric, each) for each in value or () if each is not None)


def _seconds(value: float) -> str:
    return f"{value:.1f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _told_of(board: Board) -> str:
    ranking = board.ranking
    if ranking is None or ranking.critical_difference is None:
        return "Too few splits or recipes to test the ranks."
    return (
        f"Ranked by {metric_name(board.metrics[0])}. Friedman's test on {ranking.blocks} splits: "
        f"p = {ranking.p_value:.2g}. Mean ranks that differ by less than "
        f"{ranking.critical_difference:.1f} are not significantly different (Nemenyi test, level "
        f"0.05). {SAME_SPLIT if board.same_split else SHARED}"
    )


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: v for k, v in row.items() if k != "metrics"}
    for group, metrics in row["metrics"].items():
        plain |= {f"{group}.{name}": value for name, value in metrics.items()}
    return plain
