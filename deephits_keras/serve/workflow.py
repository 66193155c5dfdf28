"""`serve`: a run or a bundle as a server."""

from __future__ import annotations

import dataclasses
import importlib.util
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.opening import open_model
from deephits_keras.serve.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from deephits_keras.runs.scorer import Scorer

NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
SHORTEST_TOKEN = 16

EncoderSettings = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class ServingPlan:
    """A model to serve, checked as far as possible without Keras.

    Attributes:
        model: The run or bundle.
        settings: Limits.
        token: Token that clients must send, or None.
        name: Name of the model.
    """

    model: Scorer
    settings: ServeSettings
    token: str | None = None
    name: str = ""

    @property
    def needs_keras(self) -> bool:
        """Whether the model needs Keras, that is, isn't exported."""
        return not isinstance(self.model, Bundle)

    def app(self) -> FastAPI:
        """Load the model and start the worker processes.

        Raises:
            UserError: if the model can't be loaded.
        """
        from deephits_keras.serve.app import create_app
        from deephits_keras.serve.service import Service

        service = Service(self.model, self.settings, self.name)
        return create_app(service, self.token)


def plan_serving(
    model: str | Path | Scorer,
    *,
    token_file: str | Path | None = None,
    name: str = "",
    settings: EncoderSettings | None = None,
    **limits: Any,
) -> ServingPlan:
    """Check the arguments without importing Keras; see `serve_app`."""
    lacking = [module for module in NEEDED if importlib.util.find_spec(module) is None]
    if lacking:
        raise UserError(
            f"`deephits serve` needs {', '.join(lacking)}: pip install 'deephits-keras[serve]'"
        )
    return ServingPlan(
        open_model(Path(model), settings) if isinstance(model, str | Path) else model,
        ServeSettings(**limits),
        None if token_file is None else read_token(Path(token_file)),
        name,
    )


def serve_app(
    model: str | Path | Scorer,
    *,
    token_file: str | Path | None = None,
    name: str = "",
    settings: EncoderSettings | None = None,
    **limits: Any,
) -> FastAPI:
    """The ASGI application of `deephits serve`, for another server or for tests.

    The model is loaded and worker processes are started at once; they end when the application is
    shut down.

    Args:
        model: A finished run or an exported bundle, or its folder.
        token_file: A file with a token that clients must send as `Authorization: Bearer TOKEN`.
        name: Name of the model in the paths of the KServe protocol; its folder's by default.
        settings: Encoder settings that override the model's, by modality or encoder.
        limits: Fields of `serve.settings.ServeSettings`: `workers`, `max_megabytes`, ...

    Raises:
        UserError: if an argument is invalid, the extra `serve` isn't installed, or the model
            can't be loaded.

    Example:
        >>> import deephits_keras as dh
        >>> app = dh.serve_app("bundle", workers=2)  # doctest: +SKIP
        >>> import uvicorn; uvicorn.run(app)  # doctest: +SKIP
    """
    plan = plan_serving(model, token_file=token_file, name=name, settings=settings, **limits)
    return plan.app()


def read_token(path: Path) -> str:
    """The token of a file: its first line.

    Raises:
        UserError: if there is no file, or the token is short or has other characters than ASCII's.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise UserError(f"There is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as a token: {error}") from error
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or " " in token:
        example = secrets.token_urlsafe(24)
        raise UserError(
            f"{path} must hold one token of at least {SHORTEST_TOKEN} characters, such as {example}"
        )
    return token
