"""Plug-ins found by entry point: what encoders, importers and recipes have in common."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from deephits_keras.errors import UserError
from deephits_keras.utils.suggestions import suggestion


@dataclass(frozen=True)
class PlugInKind:
    """A kind of plug-in.

    Attributes:
        noun: The word for it in messages, for example `encoder`.
        group: Its entry-point group.
        attributes: Class attributes that must be set.
        versions: Versions of its contract that this package supports, the newest last.
    """

    noun: str
    group: str
    attributes: tuple[str, ...]
    versions: tuple[int, ...]


@dataclass(frozen=True)
class EntryPoint:
    """One entry point, not yet imported.

    Attributes:
        name: The plug-in's name.
        target: `module:Class`.
        distribution: Name of the distribution that declares it.
        distribution_version: That distribution's version.
    """

    name: str
    target: str
    distribution: str
    distribution_version: str

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.distribution_version}"

    def load_class(self, kind: PlugInKind, base: type) -> Any:
        """Import the class and check that it follows the contract.

        Args:
            kind: The kind of plug-in that it must be.
            base: The class that it must be a subclass of, with `name` and `contract_version`.

        Raises:
            UserError: if it can't be imported, isn't such a class, lacks an attribute or a method,
                was written for another version of the contract, or has another name than its entry
                point.
        """
        where = f"{kind.noun} {self.name!r} ({self.target}, {self.origin})"
        try:
            loaded = importlib.metadata.EntryPoint(self.name, self.target, kind.group).load()
        except Exception as error:
            raise UserError(
                f"{where} can't be imported: {type(error).__name__}: {error}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, base)):
            raise UserError(f"{where} is not a subclass of {base.__name__}. Received: {loaded!r}")
        found: Any = loaded
        if missing := [name for name in kind.attributes if not getattr(found, name, "")]:
            raise UserError(f"{where} lacks the class attributes {', '.join(missing)}")
        if inspect.isabstract(found):
            lacking = ", ".join(sorted(found.__abstractmethods__))
            raise UserError(f"{where} lacks what every {kind.noun} has: {lacking}")
        if found.name != self.name:
            raise UserError(f"{where} has the name {found.name!r}: make the two names equal")
        if found.contract_version not in kind.versions:
            newer = found.contract_version > kind.versions[-1]
            raise UserError(
                f"{where} was written for version {found.contract_version} of the {kind.noun} "
                f"contract; this deephits-keras has version {kind.versions[-1]}. Update it: "
                f"pip install --upgrade {'deephits-keras' if newer else self.distribution}"
            )
        return found


EntryT = TypeVar("EntryT", bound=EntryPoint)


def installed(group: str, entry: type[EntryT]) -> list[EntryT]:
    """The entry points of a group in this environment, duplicates included, sorted by name."""
    found = {
        entry(e.name, e.value, e.dist.name, e.dist.version)
        for e in importlib.metadata.entry_points(group=group)
        if e.dist is not None
    }
    return sorted(found, key=lambda e: (e.name, e.distribution))


def only(entries: Sequence[EntryT], name: str, noun: str) -> EntryT:
    """The one entry point of a name.

    Raises:
        UserError: if there is none (the message lists the known ones), or two distributions declare
            that name (the message names both).
    """
    group = [entry for entry in entries if entry.name == name]
    if not group:
        known = ", ".join(dict.fromkeys(entry.name for entry in entries)) or "none"
        near = suggestion(name, [entry.name for entry in entries])
        raise UserError(f"There is no {noun} named {name!r}{near}. Installed {noun}s: {known}")
    if len(group) > 1:
        raise UserError(
            f"{len(group)} distributions register the {noun} {name!r}: "
            f"{' and '.join(entry.origin for entry in group)}. Uninstall all but one of them."
        )
    return group[0]
