"""Find encoders by entry point, lazily, and resolve the value of `--modalities`.

Every distribution can declare entry points in the group `deephits_keras.encoders`; the encoders of
this package are declared in the same way.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from deephits_keras.encoders.contract import (
    SUPPORTED_VERSIONS,
    ModalityEncoder,
)
from deephits_keras.encoders.inputs import AUDIO, LYRICS, Input, inputs_of
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track
from deephits_keras.utils.plugins import EntryPoint, PlugInKind, installed, only
from deephits_keras.utils.suggestions import suggestion

GROUP = "deephits_keras.encoders"

AnyEncoder = ModalityEncoder[Any]


KIND = PlugInKind(
    "encoder", GROUP, ("name", "modality", "version", "Config"), tuple(sorted(SUPPORTED_VERSIONS))
)


class Registration(EntryPoint):
    """One entry point of an encoder, not yet imported; for the arguments see `EntryPoint`."""

    def load(self) -> type[AnyEncoder]:
        """Import the encoder's class and check that it follows the contract.

        Raises:
            UserError: see `EntryPoint.load_class`.
        """
        loaded: type[AnyEncoder] = self.load_class(KIND, ModalityEncoder)
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
        return cls(installed(GROUP, Registration))

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
        return only(self.registrations, name, KIND.noun)

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
            modalities = sorted({c.modality for c in classes.values()})
            known, near = ", ".join(modalities) or "none", suggestion(modality, modalities)
            broken = sorted(set(self._by_name) - set(classes))
            hint = f" ({', '.join(broken)} can't be loaded: see `deephits encoders list`)"
            raise UserError(
                f"No encoder serves the modality {modality!r}{near}. Modalities: {known}"
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
    *,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, AnyEncoder]:
    """Create configured encoders from the value of `--modalities`, in the given order.

    Args:
        modalities: `"mel,lyrics,meta"`, `"mel=my_encoder,meta"`, or a sequence of such names and
            of encoder instances.
        settings: Values of encoder settings, by modality or encoder name; those by encoder name
            take precedence.
        known: The registry to look in; the installed one by default.
        defaults: Values that `settings` override, by encoder name, used or not.

    Returns:
        One encoder per modality, by modality.

    Raises:
        UserError: for an unknown or repeated modality, an unknown encoder, a bad setting, or
            settings of an encoder that isn't used.
    """
    known = known or registry()
    settings, defaults = settings or {}, defaults or {}
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
            name = encoder_class.name
            values = {
                **defaults.get(name, {}),
                **settings.get(modality, {}),
                **settings.get(name, {}),
            }
            encoder = encoder_class.from_config(values)
        if encoder.modality in encoders:
            raise UserError(f"The modality {encoder.modality!r} is given twice")
        encoders[encoder.modality] = encoder
    if not encoders:
        raise UserError("No modality was given")
    _require_used(settings, encoders, known)
    return encoders


def _require_used(
    settings: Mapping[str, Mapping[str, Any]],
    encoders: Mapping[str, AnyEncoder],
    known: Registry,
) -> None:
    used = {name for m, encoder in encoders.items() for name in (m, encoder.name)}
    for owner, values in settings.items():
        if owner in used or not values:
            continue
        names = ", ".join(sorted(values))
        have = ", ".join(f"{m} ({encoder.name})" for m, encoder in encoders.items())
        message = f"The settings of {owner} ({names}) have no effect. Encoders in use: {have}"
        others = known.load_working()
        if owner in others and (modality := others[owner].modality) in encoders:
            message += f". Choose {owner}: {modality}={owner}"
        raise UserError(message)


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
