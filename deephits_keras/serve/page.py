"""The server's pages: one to score a song with, and the reference of its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deephits_keras.report.pages import render_page
from deephits_keras.serve.kserve import DATATYPES
from deephits_keras.serve.schema import ModelInfo
from deephits_keras.serve.settings import ServeSettings


def main_page(info: ModelInfo, settings: ServeSettings, *, needs_token: bool) -> str:
    """The page at `/`.

    Args:
        info: The model.
        settings: Limits.
        needs_token: Whether to ask for a token.
    """
    return render_page(
        __package__,
        "page.html.jinja",
        synthetic=info.synthetic,
        info=info,
        limits=settings,
        max_letters=settings.max_letters,
        needs_token=needs_token,
    )


@dataclass(frozen=True)
class Operation:
    """A path and a method of the API.

    Attributes:
        method: `GET` or `POST`.
        path: The path.
        summary: What it answers.
        bodies: Kinds of the request's body.
    """

    method: str
    path: str
    summary: str
    bodies: tuple[str, ...]


def reference_page(info: ModelInfo, openapi: Mapping[str, Any]) -> str:
    """The page at `/docs`, from the OpenAPI description. It loads nothing."""
    return render_page(
        __package__,
        "reference.html.jinja",
        synthetic=info.synthetic,
        filters=ROWS,
        info=info,
        operations=list(operations(openapi)),
        example={"fields": {each.name: _example(each.slider) for each in info.fields[:2]}},
    )


def operations(openapi: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations of an OpenAPI description."""
    for path, methods in openapi["paths"].items():
        for method, of in methods.items():
            bodies = tuple(of.get("requestBody", {}).get("content", {}))
            yield Operation(method.upper(), path, of.get("description", ""), bodies)


def _example(slider: tuple[float, float, float] | None) -> Any:
    return "..." if slider is None else round((slider[0] + slider[1]) / 2, 2)


ROWS: dict[str, Callable[..., list[str]]] = {
    "list_with": lambda name, of: [name, of],
    "field_row": lambda field: [field.name, field.range, field.unit],
    "tensor_row": lambda t: [
        t.name,
        " x ".join(map(str, ("batch", *t.shape))),
        DATATYPES[t.dtype],
        t.description,
    ],
}
"""Rows of the reference's tables."""
