"""`extract`: the features that a training of a recipe needs, as a function."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import DeepHitsError, UserError
from deephits_keras.features.engines import engine as on_engine
from deephits_keras.features.extraction import ExtractionSummary, extract_features
from deephits_keras.recipes.choices import choose
from deephits_keras.recipes.registry import DEFAULT

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Extraction:
    """Result of the extraction of a corpus.

    Attributes:
        corpus: The corpus.
        summaries: Result of each encoder, by modality.
        unusable: Reason, by modality, if no track of a modality could be used.
    """

    corpus: Corpus
    summaries: Mapping[str, ExtractionSummary]
    unusable: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """One row per modality, with the columns of `ExtractionSummary`."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(each) for each in self.summaries.values()])

    def require_usable(self) -> None:
        """Check that no modality failed completely.

        Raises:
            DeepHitsError: with each reason.
        """
        if self.unusable:
            raise DeepHitsError("\n".join(self.unusable.values()))


def extract(
    corpus: str | Path | Corpus,
    *,
    recipe: str = DEFAULT,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    retry_failed: bool = False,
    check_content: bool = False,
) -> Extraction:
    """Extract the features of every track of a corpus, as `deephits extract` does.

    If interrupted, complete shards are kept; called again, it computes only what is missing,
    damaged or outdated.

    Args:
        corpus: The corpus, or its folder.
        recipe: Name of the recipe that is to be trained, which selects the encoders as in `train`.
        modalities: `"mel,lyrics=my_encoder"`; by default those of the recipe of which a track has
            an input.
        settings: Settings of encoders, by modality or encoder.
        jobs: Number of worker processes; -1: one per core.
        engine: `local`, `dask` or `ray`.
        scheduler: Address of the cluster's scheduler.
        retry_failed: Also extract tracks that failed before.
        check_content: Compare the content of every input file, not only its size and time.

    Returns:
        The result. Failed tracks are counted in it, and listed in the file `rejected` of each
        summary.

    Raises:
        UserError: if an argument is invalid.
        DeepHitsError: after all modalities, if every track of one failed; or if a worker died or
            the disk is full.

    Example:
        >>> import deephits_keras as dh
        >>> dh.extract("corpus", modalities="mel,meta").summaries["mel"].present  # doctest: +SKIP
        528
    """
    chosen = choose(recipe, modalities=modalities, settings=settings)
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    done = extract_with(
        opened,
        chosen.encoders(opened),
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        retry_failed=retry_failed,
        check_content=check_content,
    )
    done.require_usable()
    return done


def extract_with(
    corpus: Corpus,
    encoders: Mapping[str, AnyEncoder],
    *,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    retry_failed: bool = False,
    check_content: bool = False,
) -> Extraction:
    """Extract with given encoders; see `extract`.

    Returns:
        The result, including modalities that failed completely.
    """
    summaries: dict[str, ExtractionSummary] = {}
    unusable: dict[str, str] = {}
    with on_engine(engine, scheduler):
        for modality, encoder in encoders.items():
            try:
                summaries[modality] = extract_features(
                    corpus,
                    encoder,
                    jobs=jobs,
                    retry_failed=retry_failed,
                    check_content=check_content,
                )
            except UserError:
                raise
            except DeepHitsError as error:
                unusable[modality] = str(error)
    return Extraction(corpus, summaries, unusable)
