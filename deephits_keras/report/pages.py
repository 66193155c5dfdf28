"""Self-contained HTML pages: templates that extend one base page, with embedded figures."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from deephits_keras.report.numbers import number, percent, signed
from deephits_keras.report.style import svg

SONG_SCRIPT = Path(__file__).with_name("song.js")
"""The script of a page that extends `song.html.jinja`."""


def render_page(
    package: str,
    template: str,
    *,
    synthetic: bool,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """Render a template; text is escaped, and an undefined name is an error.

    A template extends `base.html.jinja`, which supports light and dark mode, narrow screens and
    print, and loads nothing. Values may contain figures: the test `figure` detects them, and the
    filter `data_uri` embeds them as SVG that follows dark mode.

    Args:
        package: The package that holds the template.
        template: The template's file name.
        synthetic: Whether the results come from a synthetic corpus; the page then says so.
        filters: Additional filters, by name.
        values: Variables of the template; `warnings`, a list of sentences, is shown at the top.
    """
    environment = _environment(package, tuple((filters or {}).items()))
    return environment.get_template(template).render(synthetic=synthetic, **values)


@functools.lru_cache(maxsize=8)
def _environment(
    package: str, filters: tuple[tuple[str, Callable[..., Any]], ...]
) -> jinja2.Environment:
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
        "marked": marked,
        "number": number,
        "percent": percent,
        "signed": signed,
        "unbroken": unbroken,
        **dict(filters),
    }
    environment.tests["figure"] = lambda value: isinstance(value, Figure)
    return environment


def unbroken(command: str) -> Markup:
    """A command whose lines break between its words alone, not at the hyphens of an option."""
    return Markup(" ").join(
        Markup('<span class="word">{}</span>').format(w) for w in command.split(" ")
    )


def marked(text: str) -> Markup:
    """A sentence as HTML: what stands in backticks is a command, or another piece of code.

    Example:
        >>> marked("the recipe `paper`")
        Markup('the recipe <code><span class="word">paper</span></code>')
    """
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    codes = (Markup("<code>{}</code>").format(unbroken(code)) for code in pieces[1::2])
    return Markup().join(
        piece
        for pair in zip(map(escape, pieces[::2]), (*codes, Markup()), strict=True)
        for piece in pair
    )


def data_uri(figure: Figure) -> str:
    """A figure as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure).encode()).decode()
