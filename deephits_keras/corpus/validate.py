"""Select the valid rows of a table: valid values and new ids."""

from __future__ import annotations

import pandas as pd

from deephits_keras.corpus.duplicates import Repeats
from deephits_keras.corpus.source_table import REJECTED_COLUMNS
from deephits_keras.corpus.values import Cleaned


def validate(cleaned: Cleaned, repeats: Repeats) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate valid from invalid rows.

    A row with an invalid value is rejected with the first reason, and so is one without an id. Of
    the valid rows with the same `track_id`, all but the first are rejected.

    Args:
        cleaned: Rows with `track_id` and `source_row`, from `values.clean_rows`.
        repeats: The valid tracks of earlier rows; new ones are added.

    Returns:
        The valid tracks, and the rejected rows with `REJECTED_COLUMNS`.
    """
    tracks, problems = usable(cleaned)
    good, reasons = repeats.keep(tracks)
    again = pd.DataFrame({"row": reasons.index, "field": "track_id", "reason": reasons.to_numpy()})
    told = pd.concat([problems, again])
    rejected = cleaned.rows.loc[told["row"], ["track_id", "source_row"]].reset_index(drop=True)
    rejected["track_id"] = rejected["track_id"].fillna("")
    rejected[["field", "reason"]] = told[["field", "reason"]].to_numpy()
    order = rejected.sort_values("source_row", kind="stable").reset_index(drop=True)
    return good.reset_index(drop=True), order[REJECTED_COLUMNS]


def usable(cleaned: Cleaned) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid rows with an id, and the first problem of each other row."""
    ids = cleaned.rows["track_id"]
    unnamed = (ids.isna() | (ids == "")).astype(bool)
    nameless = pd.DataFrame(
        {"row": ids.index[unnamed], "field": "track_id", "reason": "there is no track id"}
    )
    problems = pd.concat([nameless, cleaned.problems]).drop_duplicates("row")
    return cleaned.rows[~ids.index.isin(problems["row"])], problems
