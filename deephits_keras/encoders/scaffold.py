"""Begins an encoder: writes a small distribution that installs and passes the checks."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from deephits_keras.encoders.registry import registry
from deephits_keras.errors import UserError
from deephits_keras.utils.scaffold import refuse_filled, write_templates
from deephits_keras.version import __version__

FILES = {
    "pyproject.toml.jinja": "pyproject.toml",
    "readme.md.jinja": "README.md",
    "init.py.jinja": "{package}/__init__.py",
    "encoder.py.jinja": "{package}/encoder.py",
    "test.py.jinja": "tests/test_{name}.py",
}
"""Templates in `deephits_keras.encoders.templates`, with what becomes of them."""


def distribution_name(name: str) -> str:
    """The name of an encoder's distribution: `deephits-NAME`."""
    return f"deephits-{name.replace('_', '-')}"


def write_distribution(folder: Path, name: str, modality: str) -> list[Path]:
    """Write a distribution with one encoder that works as written.

    It measures how loud the parts of a recording are, until its author puts an idea in the place
    of that.

    Args:
        folder: Where to; it must not exist or be empty.
        name: The encoder's name.
        modality: Its modality.

    Returns:
        The files.

    Raises:
        UserError: for a name that can't be an encoder's or is taken, or a folder that holds
            something.
    """
    _refuse(folder, name, modality)
    package = f"deephits_{name}"
    values = {
        "name": name,
        "modality": modality,
        "package": package,
        "distribution": distribution_name(name),
        "class_name": "".join(word.capitalize() for word in name.split("_")),
        "core_version": __version__,
    }
    targets = {t: path.format(name=name, package=package) for t, path in FILES.items()}
    return write_templates("deephits_keras.encoders", targets, folder, values)


def _refuse(folder: Path, name: str, modality: str) -> None:
    for value in (name, modality):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", value) or keyword.iskeyword(value):
            raise UserError(
                "The names of encoders and modalities are lower-case letters, digits and "
                f"underscores, such as bird_song. Received: {value!r}"
            )
    taken = {r.name: r.origin for r in registry().registrations}
    if name in taken:
        raise UserError(f"{taken[name]} has an encoder named {name!r}: choose another name")
    refuse_filled(folder)
