"""Names of tables, protocols and families; imports nothing heavy, as `--help` lists them."""

from __future__ import annotations

from collections.abc import Sequence

from deephits_keras.errors import UserError

DEEP, SHALLOW = ("5", "7", "A2", "beyond"), ("6", "A4", "A8", "A9")
DATASET = ("2", "4", "A1", "A3", "A5", "A6", "A7")
ROLLING = "rolling"
"""Years after training; not one of "all", as it needs the origins."""
ALL = (*DATASET, *DEEP, *SHALLOW)
TABLES = (*ALL, ROLLING)
SAME = {"A4": "6", "A5": "4"}
"""Tables that are computed as part of another one."""

FAMILIES = ("logistic", "mlp", "boosting")


def chosen_tables(given: Sequence[str]) -> tuple[str, ...]:
    """The tables named, separated by commas or given one by one; case is ignored.

    Raises:
        UserError: if there is no such table.

    Example:
        >>> chosen_tables(["a3,5", "A4"])
        ('A3', '5', '6')
    """
    spelt = {name.casefold(): name for name in TABLES}
    names = [name.strip().casefold() for words in given for name in words.split(",")]
    if "all" in names:
        return TABLES if ROLLING in names else ALL
    if unknown := [name for name in names if name not in spelt]:
        raise UserError(f"There is no table {unknown[0]!r} to compute. Tables: {', '.join(TABLES)}")
    return tuple(dict.fromkeys(SAME.get(spelt[name], spelt[name]) for name in names))


def expanded(given: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The given names, or all names.

    Raises:
        UserError: if there is no such name.
    """
    if unknown := [name for name in given if name not in (*known, "all")]:
        raise UserError(f"There is no {unknown[0]!r}. There are: {', '.join(known)}")
    return known if "all" in given else tuple(dict.fromkeys(given))
