"""Create an encoder from templates: a small distribution that passes the checks."""

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
"""Templates in `deephits_keras.encoders.templates`, and the files made from them."""


def distribution_name(name: str) -> str:
    """The name of an encoder's distribution: `deephits-NAME`."""
    return f"deephits-{name.replace('_', '-')}"


def write_distribution(folder: Path, name: str, modality: str) -> list[Path]:
    """Write a distribution with one encoder that works as written.

    As a placeholder, the encoder measures the loudness of the parts of a recording.

    Args:
        folder: Folder to create; if it exists, it must be empty.
        name: Name of the encoder.
        modality: Modality of the encoder.

    Returns:
        The files.

    Raises:
        UserError: if the name is invalid or taken, or the folder isn't empty.
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
    modalities = {each.modality for each in registry().load_working().values()}
    if name in modalities:
        raise UserError(f"{name!r} is the name of a modality: choose another name for the encoder")
    refuse_filled(folder)
