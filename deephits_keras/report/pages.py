"""Self-contained HTML pages: templates that extend one base page, with the pictures in them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from matplotlib.figure import Figure

from deephits_keras.report.style import svg


def render_page(
    package: str,
    template: str,
    *,
    synthetic: bool,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """Fill in a template: what is text is escaped, and a name that isn't there is an error.

    A template extends `base.html.jinja`, which is light or dark as the reader has it, fits a
    phone's screen and paper, and loads nothing. A figure may be given as it is: the test `figure`
    knows it, the filter `data_uri` embeds it, and it follows a dark page.

    Args:
        package: The package that holds the template.
        template: The template's file name.
        synthetic: Whether what is told comes from a synthetic corpus, which the page then says.
        filters: Further filters, by name.
        values: What the template speaks of; `warnings`, a list of sentences, stand at the top.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(name, "") for name in dict.fromkeys((package, __package__))]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": data_uri,
        "number": number,
        "percent": percent,
        "signed": signed,
        **(filters or {}),
    }
    environment.tests["figure"] = lambda value: isinstance(value, Figure)
    return environment.get_template(template).render(synthetic=synthetic, **values)


def number(value: float) -> str:
    """A count or measure as every page writes it: `1,234`, `12.3`, `0.0123`."""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:z.{digits}f}"


def signed(value: float) -> str:
    """A contribution or difference as every page writes it: `+0.012`, `-3.40`, `0`."""
    if f"{value:z.3f}" == "0.000":
        return "0"
    return f"{value:+.2f}" if abs(value) >= 1 else f"{value:+.3f}"


def percent(share: float) -> str:
    """A share of 0-1 as every page writes it: `12.3%`."""
    return f"{share:z.1%}"


def data_uri(figure: Figure) -> str:
    """A figure as an address that holds all of it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()
