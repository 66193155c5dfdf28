"""`reproduce`: compute the paper's tables and figures on a corpus.

Whatever can be checked without Keras is checked before Keras is imported, so that mistakes are
reported immediately.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.encoders.registry import AnyEncoder, resolve_modalities
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.model.fusion import get_fusion
from deephits_keras.model.head_names import check_head
from deephits_keras.reproduction.choices import FAMILIES, ROLLING, chosen_tables, expanded
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.runs.training_config import TrainingConfig

if TYPE_CHECKING:
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.reproduction.page import Reproduction

PAPER_FUSION = {"name": "early", "head": "softmax", "dropout": 0.5}

PAPER_SELECTION = "macro_f1"
"""Metric that selects the checkpoint: scikit-learn's macro-F1, as the paper computes it."""


@dataclass(frozen=True)
class ReproductionPlan:
    """A reproduction to compute, checked as far as possible without Keras.

    Attributes:
        corpus: The corpus.
        out: The folder of the reproduction.
        encoders: Every encoder, by modality.
        training: Settings of the training; the seed differs per run.
        fusion: Name and settings of the fusion.
        tables: Names in `choices.TABLES`.
        protocols: Names in `PROTOCOLS`.
        seeds: Number of seeds, from 0.
        families: Names in `choices.FAMILIES`.
        origins: First test years of the table `rolling`.
        horizon: Its number of test years.
        command: Command line, stored with the results.
        left_out: Modalities that no track of the corpus has, each with the reason.
    """

    corpus: Corpus
    out: Path
    encoders: Mapping[str, AnyEncoder]
    training: TrainingConfig
    fusion: Mapping[str, Any]
    tables: tuple[str, ...]
    protocols: tuple[str, ...]
    seeds: int
    families: tuple[str, ...]
    origins: tuple[int, ...] = ()
    horizon: int = 5
    command: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    def carry_out(
        self, *, jobs: int = -1, prepare: Callable[[], None] = lambda: None
    ) -> tuple[Reproduction, Mapping[str, str]]:
        """Compute the missing results, and write the page; see `reproduce`.

        Args:
            jobs: Number of worker processes; -1: one per core.
            prepare: Called before anything needs Keras, perhaps twice.

        Returns:
            All results, and the reason for each failed run by its folder.
        """
        from deephits_keras.reproduction.deep import Setup
        from deephits_keras.reproduction.page import Reproduction
        from deephits_keras.reproduction.rolling import run_rolling
        from deephits_keras.reproduction.run import compute

        setup = Setup(
            corpus=self.corpus,
            out=self.out,
            encoders=self.encoders,
            training=self.training,
            fusion=self.fusion,
            command=self.command,
        )
        failed = compute(
            setup,
            self.tables,
            protocols=self.protocols,
            seeds=range(self.seeds),
            families=self.families,
            jobs=jobs,
            prepare=prepare,
        )
        if self.origins:
            run_rolling(setup, self.origins, self.horizon, range(self.seeds))
        found = Reproduction.from_setup(setup)
        found.write()
        return found, failed


def plan_reproduction(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    tables: Sequence[str] = ("all",),
    protocols: Sequence[str] = ("paper",),
    seeds: int = 5,
    families: Sequence[str] = ("logistic",),
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    origins: Sequence[int] = (),
    horizon: int = 5,
    command: str = "",
) -> ReproductionPlan:
    """Check the arguments without importing Keras; see `reproduce`."""
    wanted = chosen_tables(tables)
    if (ROLLING in wanted) != bool(origins):
        raise UserError(
            "The table rolling needs --origins, the first test years: "
            "--table rolling --origins 2005,2010"
        )
    if seeds < 1:
        raise UserError(f"seeds must be at least 1. Received: {seeds}")
    if not isinstance(training, TrainingConfig):
        training = TrainingConfig.from_settings({"select": PAPER_SELECTION, **(training or {})})
    asked = {**PAPER_FUSION, **(fusion or {})}
    meeting = get_fusion(asked)
    check_head(meeting.head, classification=True)
    if modalities:
        resolve_modalities(modalities, settings)
    from deephits_keras.corpus.table import Corpus
    from deephits_keras.features.extraction import corpus_encoders, require_columns, without_inputs

    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    encoders = corpus_encoders(opened, modalities, settings)
    for encoder in encoders.values():
        require_columns(opened, encoder, settings or {})
    absent = {} if modalities else without_inputs(opened, encoders)
    encoders = {m: encoder for m, encoder in encoders.items() if m not in absent}
    meeting.check(list(encoders), classification=True)
    return ReproductionPlan(
        corpus=opened,
        out=Path(out),
        encoders=encoders,
        training=training,
        fusion=asked,
        tables=wanted,
        protocols=expanded(protocols, tuple(PROTOCOLS)),
        seeds=seeds,
        families=expanded(families, FAMILIES),
        origins=tuple(origins),
        horizon=horizon,
        command=command,
        left_out=absent,
    )


def reproduce(
    corpus: str | Path | Corpus,
    out: str | Path,
    *,
    tables: Sequence[str] = ("all",),
    protocols: Sequence[str] = ("paper",),
    seeds: int = 5,
    families: Sequence[str] = ("logistic",),
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    fusion: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | TrainingConfig | None = None,
    origins: Sequence[int] = (),
    horizon: int = 5,
    jobs: int = -1,
) -> Reproduction:
    """Compute the paper's tables and figures on a corpus, as `deephits reproduce` does.

    If interrupted, the same call continues; with other tables it adds them. The page
    `out/reproduction.html` compares all results with the published values.

    Args:
        corpus: The corpus, or its folder.
        out: The folder of the reproduction: new, or with the same settings.
        tables: Numbers of the paper's tables (`["4", "A3"]`), `beyond`, `rolling`, or `all`, which
            is all but `rolling`.
        protocols: How test tracks are chosen for deep models: `paper`, `holdout`, `artist`, `all`.
        seeds: Number of random seeds, from 0; each gives a split and an initial model.
        families: Classifiers of the shallow baselines: `logistic`, `mlp`, `boosting`, or `all`.
        modalities: `"mel,lyrics=my_encoder"`; by default every modality that has a default
            encoder, without those that no track has.
        settings: Settings of encoders, by modality or encoder.
        fusion: `name` and settings of the fusion that override the paper's.
        training: Settings of the training that override the paper's.
        origins: For the table `rolling`, first test years; see `training.rolling.rolling_origins`.
        horizon: For the same, number of test years.
        jobs: Number of worker processes; -1: one per core.

    Returns:
        All results in the folder: its `tables` have `caption` and `records()`, and `to_frame`
        combines all of them.

    Raises:
        UserError: if a table, protocol or family is unknown, the folder contains something else,
            or the corpus can't be split.
        DeepHitsError: after all runs, if some failed.

    Example:
        >>> import deephits_keras as dh
        >>> dh.reproduce("corpus", "out", tables=["4", "A3"]).to_frame()  # doctest: +SKIP
    """
    plan = plan_reproduction(
        corpus,
        out,
        tables=tables,
        protocols=protocols,
        seeds=seeds,
        families=families,
        modalities=modalities,
        settings=settings,
        fusion=fusion,
        training=training,
    )
    found, failed = plan.carry_out(jobs=jobs)
    require_all(failed)
    return found


def require_all(failed: Mapping[str, str]) -> None:
    """Check that no run failed.

    Raises:
        DeepHitsError: with the first failed run and their number.
    """
    if failed:
        first, reason = next(iter(failed.items()))
        raise DeepHitsError(f"{len(failed)} runs failed. The first: {first}: {reason}")
