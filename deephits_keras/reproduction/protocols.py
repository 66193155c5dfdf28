"""Protocols: how tracks are held out, and which of them are reported on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deephits_keras.corpus.splits import Split
    from deephits_keras.corpus.table import Corpus


@dataclass(frozen=True)
class Protocol:
    """A protocol of evaluation.

    Attributes:
        name: `paper`, `holdout` or `artist`.
        split: Kind of the split.
        validation: Fraction of tracks on which the checkpoint is selected.
        test: Fraction of test tracks; 0 to report on the validation tracks.
        meaning: Description for the report, one sentence.
    """

    name: str
    split: str
    validation: float
    test: float
    meaning: str

    def draw(self, corpus: Corpus, seed: int) -> Split:
        """The split of a seed, equal for every variant and task.

        Raises:
            UserError: if the corpus is too small, or lacks columns for the split.
        """
        from deephits_keras.corpus.splits import make_split

        return make_split(self.split, corpus, seed=seed, validation=self.validation, test=self.test)


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol(
            "paper",
            "random",
            0.2,
            0.0,
            "80% training and 20% validation tracks at random; the checkpoint is selected and "
            "reported on the same validation tracks (Sections 2.2.2 and 3.1).",
        ),
        Protocol(
            "holdout",
            "random",
            0.1,
            0.2,
            "70% training, 10% validation and 20% test tracks at random; the checkpoint is "
            "selected on the validation tracks and reported on the test tracks.",
        ),
        Protocol(
            "artist",
            "artist",
            0.1,
            0.2,
            "as holdout, and no artist is in two parts.",
        ),
    )
}
