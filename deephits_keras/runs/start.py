"""`Start`: the run that a training started from, as the configuration records it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

BY_ROWS = "rows"
"""Both runs are of one corpus: its rows are compared."""

BY_IDS = "ids"
"""Track ids are compared."""

BY_SONGS = "songs"
"""No id is in both corpora: titles and artists are compared."""

NOT_COMPARED = "nothing"
"""No id is in both corpora, and songs can't be compared."""


@dataclass(frozen=True)
class Start:
    """What a run has from an earlier one (`train --from`), and what it doesn't.

    Every weight is the earlier run's. Temperature, decoding and the size of predicted sets are
    always fitted anew, on the new validation part.

    Attributes:
        run: Folder of the earlier run.
        checksum: SHA-256 of its `model.keras`.
        frozen: Modalities whose branch and embedding of missing inputs aren't trained.
        kept: Modalities whose scaling statistics and vocabularies are the earlier run's.
        fitted: Modalities whose encoder looks up training tracks by their popularity
            (`ModalityEncoder.learns_popularity`): they look up those of the new run alone.
        unseen_columns: Fields that the earlier run's training never saw, by modality. They count
            as unknown in the new run as well: the kept scaling has no statistics of them.
        seen: Number of tracks in each held-out part that the earlier run, or a run that it
            started from, was trained on.
        compared_by: How tracks were compared for that: by `rows`, `ids`, `songs` or `nothing`; of
            several runs, the least certain way.
    """

    run: str
    checksum: str
    frozen: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    fitted: tuple[str, ...] = ()
    unseen_columns: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    seen: dict[str, int] = dataclasses.field(default_factory=dict)
    compared_by: str = BY_ROWS

    @property
    def warnings(self) -> list[str]:
        """Reasons not to rely on the held-out tracks, one sentence each."""
        found = [
            f"{count:,} of the {part} tracks are training tracks of {self.run}, where this "
            "training started: its metrics on them are too good."
            for part, count in self.seen.items()
            if count
        ]
        if self.compared_by == NOT_COMPARED:
            found.append(
                f"Nobody can say whether held-out tracks are training tracks of {self.run}, where "
                "this training started: no id is in both corpora, and songs can't be compared by "
                "title and artist."
            )
        return found
