"""Create a plug-in, a small distribution, from templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deephits_keras.errors import UserError
from deephits_keras.utils.files import write_text


def write_templates(
    package: str, targets: Mapping[str, str], folder: Path, values: Mapping[str, str]
) -> list[Path]:
    """Render templates and write the files.

    Args:
        package: Package with the templates in its folder `templates`.
        targets: For each template, the path of the resulting file in the folder.
        folder: Folder to write to.
        values: Variables of the templates.

    Returns:
        The files.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # The templates are source code, not HTML: no escaping.
    templates = Environment(
        loader=PackageLoader(package, "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
    )
    written = []
    for template, target in targets.items():
        write_text(folder / target, templates.get_template(template).render(values))
        written.append(folder / target)
    return written


def refuse_filled(folder: Path) -> None:
    """Refuse a folder that isn't empty.

    Raises:
        UserError: if it isn't empty, or isn't a folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: choose another folder with --out")
