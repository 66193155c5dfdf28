"""`extract`: the features of a corpus, as a function."""

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
from deephits_keras.features.extraction import (
    ExtractionSummary,
    corpus_encoders,
    extract_features,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Extraction:
    """What the extraction of a corpus came to.

    Attributes:
        corpus: The corpus.
        summaries: What each encoder came to, by modality.
        unusable: Why no track at all could be used, by the modality that this befell.
    """

    corpus: Corpus
    summaries: Mapping[str, ExtractionSummary]
    unusable: Mapping[str, str]

    def to_frame(self) -> pd.DataFrame:
        """A row for each modality, with the columns of `ExtractionSummary`."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(each) for each in self.summaries.values()])

    def require_usable(self) -> None:
        """Check that no modality failed altogether.

        Raises:
            DeepHitsError: with each reason.
        """
        if self.unusable:
            raise DeepHitsError("\n".join(self.unusable.values()))


def extract(
    corpus: str | Path | Corpus,
    *,
    modalities: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int = -1,
    engine: str = "local",
    scheduler: str | None = None,
    retry_failed: bool = False,
    check_content: bool = False,
) -> Extraction:
    """Extract the features of every track of a corpus, as `deephits extract` does.

    Interrupted at any moment, it keeps what is complete; called again, it computes only what is
    missing, damaged or extracted from other input.

    Args:
        corpus: The corpus, or its folder.
        modalities: `"mel,lyrics=my_encoder"`; every modality that has a default encoder by default.
        settings: Settings of encoders, by modality or encoder.
        jobs: Worker processes; -1 for one per core.
        engine: What extracts: `local`, `dask` or `ray`.
        scheduler: Address of the cluster's scheduler.
        retry_failed: Extract tracks that failed again, for reasons outside of their input.
        check_content: Compare the content of every input file, not only its size and time.

    Returns:
        What it came to. Tracks that can't be used are counted in it, and named in the file
        `rejected` of each summary.

    Raises:
        UserError: if something that was asked for can't be used.
        DeepHitsError: once the other modalities are done, if a modality had tracks and none of
            them could be used; or if a worker died or the disk is full.

    Example:
        >>> import deephits_keras as dh
        >>> dh.extract("corpus", modalities="mel,meta").summaries["mel"].present  # doctest: +SKIP
        528
    """
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(Path(corpus))
    done = extract_with(
        opened,
        corpus_encoders(opened, modalities, settings),
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
    """Extract with encoders that were chosen already; see `extract` for the rest.

    Returns:
        What it came to, modalities that failed altogether included.
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
