"""Create an importer from templates: a small distribution that passes the checks."""

from __future__ import annotations

import re
from pathlib import Path

from deephits_keras.corpus.importers import registrations
from deephits_keras.errors import UserError
from deephits_keras.utils.scaffold import refuse_filled, write_templates
from deephits_keras.version import __version__

FILES = {
    "pyproject.toml.jinja": "pyproject.toml",
    "readme.md.jinja": "README.md",
    "init.py.jinja": "{package}/__init__.py",
    "importer.py.jinja": "{package}/importer.py",
    "test.py.jinja": "tests/test_{module}.py",
}
"""Templates in `deephits_keras.corpus.templates`, and the files made from them."""


def write_importer(folder: Path, name: str) -> list[Path]:
    """Write a distribution with one importer that works as written.

    As a placeholder, it reads one table.

    Args:
        folder: Folder to create; if it exists, it must be empty.
        name: Name of the importer: lower-case letters, digits and hyphens.

    Returns:
        The files.

    Raises:
        UserError: if the name is invalid or taken, or the folder isn't empty.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UserError(
            "The names of importers are lower-case letters, digits and hyphens, such as "
            f"my-dataset. Received: {name!r}"
        )
    taken = {r.name: r.origin for r in registrations()}
    if name in taken:
        raise UserError(f"{taken[name]} has an importer named {name!r}: choose another name")
    refuse_filled(folder)
    module = name.replace("-", "_")
    values = {
        "name": name,
        "module": module,
        "package": f"deephits_{module}",
        "distribution": f"deephits-{name}",
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "core_version": __version__,
    }
    targets = {t: path.format(**values) for t, path in FILES.items()}
    return write_templates("deephits_keras.corpus", targets, folder, values)
