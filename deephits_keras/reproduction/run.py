"""`compute`: carry out what some tables need, going on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

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
) -> dict[str, str]:
    """Train and measure what some tables need and isn't there yet.

    Args:
        setup: What the runs have in common.
        tables: The paper's numbers; those of the dataset need nothing.
        protocols: Of `PROTOCOLS`, for the deep models.
        seeds: The seeds.
        families: Of `evaluation.baselines.FAMILIES`, for the shallow ones.
        jobs: Worker processes for extraction.

    Returns:
        The reason for each deep run that failed, by its folder in the reproduction's.

    Raises:
        UserError: if a table, protocol or family is unknown, the folder holds something else, or
            the corpus can't be split so.
    """
    for given, known in ((protocols, PROTOCOLS), (families, FAMILIES)):
        if unknown := [name for name in given if name not in known]:
            raise UserError(f"There is no {unknown[0]!r}. There are: {', '.join(known)}")
    setup.claim()
    baselines = [t for t in tables if t in shallow.TASKS_OF_TABLE]
    groups = column_groups(setup.encoders)
    # Among other tables the baselines are left out where no encoder gives columns.
    if baselines and (groups or len(baselines) == len(tables)):
        givers = {name.partition(".")[0] for names in groups.values() for name in names}
        for modality in givers:
            extract_features(setup.corpus, setup.encoders[modality], jobs=jobs)
        columns = shallow.read_columns(setup.corpus, setup.encoders)
        for family in families:
            shallow.run_shallow(setup.corpus, columns, setup.out, baselines, seeds, family=family)
    wanted = [t for t in tables if t in deep.TASKS_OF_TABLE]
    experiments = deep.plan(wanted, setup.encoders, protocols, seeds)
    return deep.run_plan(setup, experiments, jobs=jobs)
