"""Which rows of a table are tracks: values, and ids that aren't there yet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from deephits_keras.corpus.lookup import Lookup
from deephits_keras.corpus.values import Cleaned

REJECTED_COLUMNS = ["track_id", "source_row", "field", "reason"]

REPEATED = "duplicate of an earlier row"
"""Why a row is rejected whose id is there already."""


def validate(cleaned: Cleaned, seen: Lookup) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the rows that can be used from those that can't.

    A row with a value that can't be used is rejected with the first reason, as is one without an
    id. Of the good rows that share a `track_id`, all but the first are rejected.

    Args:
        cleaned: Rows with `track_id` and `source_row`, as `values.clean_rows` gives them.
        seen: Ids and popularity of the good tracks of earlier rows; those of these are added.

    Returns:
        The good tracks, and the rejected rows as `REJECTED_COLUMNS`.
    """
    tracks = cleaned.rows.copy()
    ids = tracks["track_id"].astype("string").str.strip()
    unnamed = (ids.isna() | (ids == "")).astype(bool)
    tracks["track_id"] = ids.fillna("")
    nameless = pd.DataFrame(
        {"row": tracks.index[unnamed], "field": "track_id", "reason": "there is no track id"}
    )
    problems = pd.concat([nameless, cleaned.problems]).drop_duplicates("row")
    bad = tracks.index.isin(problems["row"])
    named = tracks.loc[~bad, ["track_id", "popularity"]]
    fresh_ids = seen.add((i, repr(float(p))) for i, p in named.itertuples(index=False))
    repeated = bad.copy()
    repeated[~bad] = ~np.array(fresh_ids, dtype=bool)
    repeats = pd.DataFrame(
        {
            "row": tracks.index[repeated & ~bad],
            "field": "track_id",
            "reason": REPEATED,
        }
    )
    told = pd.concat([problems, repeats])
    rejected = tracks.loc[told["row"], ["track_id", "source_row"]].reset_index(drop=True)
    rejected[["field", "reason"]] = told[["field", "reason"]].to_numpy()
    good = tracks[~(bad | repeated)].reset_index(drop=True)
    order = rejected.sort_values("source_row", kind="stable").reset_index(drop=True)
    return good, order[REJECTED_COLUMNS]
