"""Find encoders by entry point, lazily, and resolve the value of `--modalities`.

Every distribution can declare entry points in the group `deephits_keras.encoders`; the encoders of
this package are declared in the same way.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from deephits_keras.encoders.contract import (
    CONTRACT_VERSION,
    SUPPORTED_VERSIONS,
    ModalityEncoder,
)
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, inputs_of
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

GROUP = "deephits_keras.encoders"

AnyEncoder = ModalityEncoder[Any]


@dataclass(frozen=True)
class Registration:
    """One entry point, not yet imported.

    Attributes:
        name: The encoder's name.
        target: `module:Class`.
        distribution: Name of the distribution that declares it.
        distribution_version: That distribution's version.
    """

    name: str
    target: str
    distribution: str
    distribution_version: str

    def load(self) -> type[AnyEncoder]:
        """Import the encoder's class and check that it keeps the contract.

        Raises:
            UserError: if it can't be imported, isn't an encoder, was written for another version
                of the contract, or has another name than its entry point.
        """
        where = f"encoder {self.name!r} ({self.target}, {self.origin})"
        try:
            loaded = importlib.metadata.EntryPoint(self.name, self.target, GROUP).load()
        except Exception as error:
            raise UserError(
                f"{where} can't be imported: {type(error).__name__}: {error}"
            ) from error
        if not (isinstance(loaded, type) and issubclass(loaded, ModalityEncoder)):
            raise UserError(f"{where} is not a ModalityEncoder subclass. Received: {loaded!r}")
        missing = [a for a in ("name", "modality", "version", "Config") if not hasattr(loaded, a)]
        if missing:
            raise UserError(f"{where} lacks the class attributes {', '.join(missing)}")
        if loaded.name != self.name:
            raise UserError(f"{where} has the name {loaded.name!r}: make the two names equal")
        if loaded.contract_version not in SUPPORTED_VERSIONS:
            newer = loaded.contract_version > CONTRACT_VERSION
            raise UserError(
                f"{where} was written for version {loaded.contract_version} of the encoder "
                f"contract; this deephits-keras has version {CONTRACT_VERSION}. Update it: "
                f"pip install --upgrade {'deephits-keras' if newer else self.distribution}"
            )
        return loaded

    @property
    def licence(self) -> str:
        """The licence in the distribution's metadata, as an SPDX expression if it states one."""
        stated = importlib.metadata.metadata(self.distribution)
        for field in ("License-Expression", "License"):
            if field in stated and (lines := stated[field].strip().splitlines()):
                return lines[0]
        prefix = "License :: "
        classifiers = [c for c in stated.get_all("Classifier") or () if c.startswith(prefix)]
        return classifiers[0].rpartition(" :: ")[2] if classifiers else "not stated"

    @property
    def source(self) -> str:
        """The URL that the distribution was installed from (PEP 610); empty for a package index."""
        recorded = importlib.metadata.distribution(self.distribution).read_text("direct_url.json")
        try:
            return str(json.loads(recorded)["url"]) if recorded else ""
        except (KeyError, TypeError, json.JSONDecodeError):
            return ""

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.distribution_version}"


class Registry:
    """The installed encoders, by name.

    Args:
        registrations: Every entry point found, duplicates included.
    """

    def __init__(self, registrations: Sequence[Registration]) -> None:
        self._by_name: dict[str, list[Registration]] = {}
        for registration in sorted(registrations, key=lambda r: (r.name, r.distribution)):
            self._by_name.setdefault(registration.name, []).append(registration)

    @classmethod
    def installed(cls) -> Registry:
        """The registry of the distributions in this Python environment."""
        found = {
            Registration(e.name, e.value, e.dist.name, e.dist.version)
            for e in importlib.metadata.entry_points(group=GROUP)
            if e.dist is not None
        }
        return cls(sorted(found, key=lambda r: (r.name, r.distribution)))

    @property
    def registrations(self) -> list[Registration]:
        """Every registration, duplicates included, sorted by name."""
        return [r for group in self._by_name.values() for r in group]

    def find(self, name: str) -> Registration:
        """The registration of the encoder `name`, not imported.

        Raises:
            UserError: if there is none (the message lists the known ones), or if two
                distributions register that name (the message names both).
        """
        group = self._by_name.get(name, [])
        if not group:
            known = ", ".join(self._by_name) or "none"
            raise UserError(f"There is no encoder named {name!r}. Installed encoders: {known}")
        if len(group) > 1:
            raise UserError(
                f"{len(group)} distributions register an encoder named {name!r}: "
                f"{' and '.join(r.origin for r in group)}. Uninstall all but one of them."
            )
        return group[0]

    def load(self, name: str) -> type[AnyEncoder]:
        """Import the encoder class `name`; see `find` and `Registration.load` for the errors."""
        return self.find(name).load()

    def load_working(self) -> dict[str, type[AnyEncoder]]:
        """Every encoder that can be loaded, by name."""
        classes: dict[str, type[AnyEncoder]] = {}
        for name in self._by_name:
            try:
                classes[name] = self.load(name)
            except UserError:
                continue
        return classes

    def for_modality(self, modality: str) -> type[AnyEncoder]:
        """The default encoder of `modality`, or its only one.

        Raises:
            UserError: if no installed encoder serves it, or several do and not exactly one is
                marked as the default.
        """
        classes = self.load_working()
        candidates = [c for c in classes.values() if c.modality == modality]
        if not candidates:
            known = ", ".join(sorted({c.modality for c in classes.values()})) or "none"
            broken = sorted(set(self._by_name) - set(classes))
            hint = f" ({', '.join(broken)} can't be loaded: see `deephits encoders list`)"
            raise UserError(
                f"No encoder serves the modality {modality!r}. Modalities: {known}"
                + (hint if broken else "")
            )
        chosen = [c for c in candidates if c.default] or candidates
        if len(chosen) > 1:
            names = ", ".join(c.name for c in chosen)
            raise UserError(
                f"Several encoders serve the modality {modality!r}: {names}. "
                f"Choose one: {modality}={chosen[0].name}"
            )
        return chosen[0]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry of the installed encoders, read once per process."""
    return Registry.installed()


def installed_inputs(known: Registry | None = None) -> dict[str, Input]:
    """The files and texts that installed encoders declare at their default settings, by name.

    If several encoders read the same input, their endings are combined. Fields are not included:
    any column can be one.

    Args:
        known: The registry to look in; the installed one by default.
    """
    found = {each.name: each for each in (AUDIO, LYRICS)}
    for encoder_class in (known or registry()).load_working().values():
        try:
            declared = inputs_of(encoder_class()) or ()
        except Exception:  # noqa: S112 - `encoders list` tells what is wrong with it
            continue
        for each in declared:
            if each.kind == "field":
                continue
            other = found.get(each.name, each)
            endings = tuple(dict.fromkeys(other.endings + each.endings))
            found[each.name] = Input(each.name, other.kind, endings)
    return found


def resolve_modalities(
    modalities: str | Sequence[str | AnyEncoder],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    known: Registry | None = None,
) -> dict[str, AnyEncoder]:
    """Create configured encoders from the value of `--modalities`, in the given order.

    Args:
        modalities: `"mel,lyrics,meta"`, `"mel=my_encoder,meta"`, or a sequence of such names and
            of encoder instances.
        settings: Values of encoder settings, by modality or encoder name; those by encoder name
            take precedence.
        known: The registry to look in; the installed one by default.

    Returns:
        One encoder per modality, by modality.

    Raises:
        UserError: for an unknown or repeated modality, an unknown encoder, or a bad setting.
    """
    known = known or registry()
    settings = settings or {}
    parts = modalities.split(",") if isinstance(modalities, str) else modalities
    encoders: dict[str, AnyEncoder] = {}
    for part in parts:
        if isinstance(part, ModalityEncoder):
            encoder: AnyEncoder = part
        else:
            modality, _, name = (piece.strip() for piece in part.partition("="))
            encoder_class = known.load(name) if name else known.for_modality(modality)
            if encoder_class.modality != modality:
                raise UserError(
                    f"The encoder {name!r} serves the modality {encoder_class.modality!r}, "
                    f"not {modality!r}"
                )
            values = {**settings.get(modality, {}), **settings.get(encoder_class.name, {})}
            encoder = encoder_class.from_config(values)
        if encoder.modality in encoders:
            raise UserError(f"The modality {encoder.modality!r} is given twice")
        encoders[encoder.modality] = encoder
    if not encoders:
        raise UserError("No modality was given")
    return encoders


def prepared_sample(
    encoder_class: type[AnyEncoder], folder: Path, tracks: Sequence[Track]
) -> dict[str, Any]:
    """Call `prepare_sample`; a class of contract version 1 gets only the tracks' lyrics."""
    prepare: Any = encoder_class.prepare_sample
    if "lyrics" in inspect.signature(prepare).parameters:
        texts = [track.lyrics for track in tracks if track.lyrics]
        settings: dict[str, Any] = prepare(folder=folder, lyrics=texts)
    else:
        settings = prepare(folder, tracks)
    return settings
