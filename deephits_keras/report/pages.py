"""Self-contained HTML pages: a template of a package, with the pictures in it."""

from __future__ import annotations

import base64
import importlib.resources
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from matplotlib.figure import Figure

from deephits_keras.report.style import svg


def render_page(
    package: str,
    template: str,
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """Fill in a template: what is text is escaped, and a name that isn't there is an error.

    A figure may be given as it is: the test `figure` knows it, the filter `data_uri` embeds it.

    Args:
        package: The package that holds the template.
        template: The template's file name.
        filters: Further filters, by name.
        values: What the template speaks of.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"data_uri": data_uri, **(filters or {})}
    environment.tests["figure"] = lambda value: isinstance(value, Figure)
    source = importlib.resources.files(package).joinpath(template)
    return environment.from_string(source.read_text(encoding="utf-8")).render(values)


def data_uri(figure: Figure) -> str:
    """A figure as an address that holds all of it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()
