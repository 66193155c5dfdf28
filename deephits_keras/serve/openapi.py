"""The bodies of requests and answers for OpenAPI, from what the model reads."""

from __future__ import annotations

from typing import Any

from deephits_keras.serve.schema import ModelInfo
from deephits_keras.serve.settings import ServeSettings

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong"},
        "field": {"type": "string", "description": "Name of the field, text or file"},
    },
}
REASONS = {
    "400": "The body can't be read",
    "401": "The token is missing or wrong",
    "408": "The request takes too long",
    "413": "The request, a text or the list is too large",
    "415": "Neither JSON nor a form",
    "422": "An input can't be used: the reason names it",
    "429": "Too many requests from this address",
    "503": "Too many requests in progress",
}
PICTURES = {
    "name": "pictures",
    "in": "query",
    "schema": {"type": "boolean", "default": False},
    "description": "Whether the answer has pictures of the features: by modality the caption, "
    "width, height, and the values as bytes in Base64, row by row, 0 dark to 255 light",
}


def described(path: str, info: ModelInfo, settings: ServeSettings) -> dict[str, Any]:
    """Arguments of a route: summary and schema of its body and answers."""
    bodies = {
        "/v1/predict": _form(_track(info, files=True), _track(info, files=False)),
        "/v1/explain": _form(_track(info, files=True), _track(info, files=False)),
        "/v1/predict:batch": _form(_listed(info, settings), _tracks(info, settings)),
        f"/v2/models/{info.name}/infer": _content({"application/json": _infer(info)}),
    }
    if path not in bodies:
        return {}
    refusals = {status: _content({"application/json": ERROR}, d) for status, d in REASONS.items()}
    more = {"parameters": [PICTURES]} if path in ("/v1/predict", "/v1/explain") else {}
    return {"openapi_extra": {"requestBody": bodies[path], "responses": refusals, **more}}


def _content(schemas: dict[str, Any], description: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"content": {kind: {"schema": of} for kind, of in schemas.items()}}
    return {**found, **({"description": description} if description else {})}


def _form(form: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    return _content({"multipart/form-data": form, "application/json": plain})


def _fields(info: ModelInfo) -> dict[str, Any]:
    properties = {each.name: each.json_schema for each in info.fields}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _track(info: ModelInfo, *, files: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"id": {"type": "string"}, "fields": _fields(info)}
    properties |= {name: {"type": "string"} for name in info.texts}
    if files:
        properties |= {name: {"type": "string", "format": "binary"} for name in info.files}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _tracks(info: ModelInfo, settings: ServeSettings, *, files: bool = False) -> dict[str, Any]:
    track = _track(info, files=False)
    if files:
        part = {"type": "string", "description": "Name of a file in the form"}
        track["properties"] |= dict.fromkeys(info.files, part)
    listed = {"type": "array", "minItems": 1, "maxItems": settings.max_tracks, "items": track}
    return {"type": "object", "required": ["tracks"], "properties": {"tracks": listed}}


def _listed(info: ModelInfo, settings: ServeSettings) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    return {**_tracks(info, settings, files=True), "additionalProperties": binary}


def _infer(info: ModelInfo) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": {"enum": [each.name for each in info.inputs]},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"enum": ["FP32", "INT32"]},
            "data": {"type": "array", "items": {"type": ["number", "null"]}},
        },
    }
    properties = {"id": {"type": "string"}, "inputs": {"type": "array", "items": tensor}}
    return {"type": "object", "required": ["inputs"], "properties": properties}
