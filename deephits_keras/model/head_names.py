"""Names of the output layers (`model.heads`), known without Keras."""

from __future__ import annotations

from deephits_keras.errors import UserError

SOFTMAX, CORN, CUMULATIVE, PAIRWISE = "softmax", "corn", "cumulative", "pairwise"

HEADS = (SOFTMAX, CORN, CUMULATIVE, PAIRWISE)
"""The heads by name; `softmax`, as in the paper, is a dense layer with one unit per output."""


def check_head(head: str, *, classification: bool) -> None:
    """Check the name of a head for a task.

    Raises:
        UserError: if there is no such head, or it is ordinal and the task a regression.
    """
    if head not in HEADS:
        raise UserError(f"There is no head named {head!r}. Heads: {', '.join(HEADS)}")
    if head != SOFTMAX and not classification:
        raise UserError(f"The head {head!r} is for tiers, not for regression")
