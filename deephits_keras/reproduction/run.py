"""`compute`: compute the results of some tables; resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deephits_keras.errors import UserError
from deephits_keras.evaluation.baselines import FAMILIES
from deephits_keras.features.extraction import extract_features
from deephits_keras.reproduction import deep, shallow
from deephits_keras.reproduction.deep import Setup
from deephits_keras.reproduction.protocols import PROTOCOLS
from deephits_keras.reproduction.variants import column_groups


def compute(
    setup: Setup,
    tables: Sequence[str],
    *,
    protocols: Sequence[str] = ("paper",),
    seeds: Sequence[int] = range(5),
    families: Sequence[str] = (shallow.FAMILY,),
    jobs: int = -1,
    prepare: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Compute the missing results of some tables.

    Args:
        setup: Settings of the runs.
        tables: Numbers of the paper's tables; those of the dataset need no training.
        protocols: Names in `PROTOCOLS`, for the deep models.
        seeds: The seeds.
        families: Names in `evaluation.baselines.FAMILIES`, for the shallow models.
        jobs: Number of worker processes for extraction and the shallow models.
        prepare: Called before anything needs Keras, perhaps twice; while these work if they do.

    Returns:
        Reason for each failed deep run, by its folder in the reproduction's folder.

    Raises:
        UserError: if a table, protocol or family is unknown, the folder contains something else,
            or the corpus can't be split.
    """
    for given, known in ((protocols, PROTOCOLS), (families, FAMILIES)):
        if unknown := [name for name in given if name not in known]:
            raise UserError(f"There is no {unknown[0]!r}. There are: {', '.join(known)}")
    setup.claim()
    baselines = [t for t in tables if t in shallow.TASKS_OF_TABLE]
    groups = column_groups(setup.encoders)
    # With other tables, the baselines are skipped if no encoder provides columns.
    if baselines and (groups or len(baselines) == len(tables)):
        givers = {name.partition(".")[0] for names in groups.values() for name in names}
        for modality in givers:
            extract_features(setup.corpus, setup.encoders[modality], jobs=jobs)
        columns = shallow.read_columns(setup.corpus, setup.encoders)
        shallow.run_shallow(
            setup.corpus,
            columns,
            setup.out,
            baselines,
            seeds,
            families=families,
            jobs=jobs,
            meanwhile=prepare,
        )
    prepare()
    wanted = [t for t in tables if t in deep.TASKS_OF_TABLE]
    experiments = deep.plan(wanted, setup.encoders, protocols, seeds)
    return deep.run_plan(setup, experiments, jobs=jobs)
