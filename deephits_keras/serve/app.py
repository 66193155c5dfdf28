"""The application: paths and answers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import tempfile
from collections.abc import AsyncIterator
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from deephits_keras.encoders.picture import Picture
from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import FieldError
from deephits_keras.prediction.extraction import ExtractedTrack
from deephits_keras.prediction.predictor import TrackPrediction
from deephits_keras.serve import kserve
from deephits_keras.serve.admission import Admission
from deephits_keras.serve.openapi import described
from deephits_keras.serve.page import main_page, reference_page
from deephits_keras.serve.reading import Reader
from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.service import Service
from deephits_keras.utils.records import to_plain
from deephits_keras.version import __version__

STATIC = {"page.js": "deephits_keras.serve", "song.js": "deephits_keras.report"}
"""Files of the page, with the package that each lies in."""

EXPLAIN = "/v1/explain"
PICTURES = "pictures"
"""Parameter of an address, and what it adds to an answer."""

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(service: Service, token: str | None = None) -> FastAPI:
    """The ASGI application of a service; the service is closed with it.

    Args:
        service: The service.
        token: Clients must send it as `Authorization: Bearer TOKEN`; None: open to all.
    """
    server = Server(service, needs_token=token is not None)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        with tempfile.TemporaryDirectory(prefix="deephits-serve-") as folder:
            server.reader = Reader(service.info, service.settings, Path(folder), service.cleaning)
            yield
            await service.close()

    app = FastAPI(
        title=f"DeepHits: {service.info.name}",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(
        Admission, settings=service.settings, token=token, statistics=service.statistics
    )
    app.state.service = service
    for kind in (UserError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, refused)
    server.add_routes(app)
    return app


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that raised an error: a status, and a reason as JSON."""
    del request
    if isinstance(error, RefusedError):
        return json_response(error.content, error.status, error.headers)
    if isinstance(error, FieldError):
        return json_response({"error": str(error), "field": error.field}, 422)
    if isinstance(error, UserError):
        return json_response({"error": str(error)}, 422)
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        return json_response({"error": str(error.detail)}, error.status_code, headers)
    if isinstance(error, ClientDisconnect):
        return json_response({"error": "The connection was closed"}, 400)
    return json_response({"error": "Internal error; the server's log tells more"}, 500)


def json_response(content: Any, status: int = 200, headers: Any = None) -> Response:
    """An answer as JSON; NaN is null."""
    body = msgspec.json.encode(content, enc_hook=to_plain)
    return Response(body, status, headers, media_type="application/json")


def wants(request: Request, option: str | None = None) -> bool:
    """Whether a request's address asks for an option, `?option=true`.

    Args:
        request: The request.
        option: The only parameter that its path has, if it has one.

    Raises:
        RefusedError: for any other parameter or value: nothing is ignored.
    """
    found = request.query_params.multi_items()
    for name, value in found:
        if name != option:
            has = f"only {option}" if option else "none: everything is in its body"
            reason = f"This path has no parameter {name!r:.80}, {has}"
            raise RefusedError(422, reason, field=name)
        if value not in ("true", "false") or len(found) > 1:
            values = ", ".join(repr(value) for _, value in found)
            raise RefusedError(
                422, f"{name} must be true or false, once. Received: {values:.80}", field=name
            )
    return (option, "true") in found


def picture_record(picture: Picture) -> dict[str, Any]:
    """A picture as JSON types; its values are bytes, row by row, in Base64."""
    height, width = picture.values.shape
    values = base64.b64encode(picture.values.tobytes()).decode()
    return {"caption": picture.caption, "width": width, "height": height, "values": values}


class Server:
    """The answers of each path.

    Args:
        service: The service.
        needs_token: Whether the page asks for a token.
    """

    reader: Reader

    def __init__(self, service: Service, *, needs_token: bool) -> None:
        self.service, self._needs_token = service, needs_token

    def add_routes(self, app: FastAPI) -> None:
        """Add every path to an application."""
        info = self.service.info
        model = f"/v2/models/{info.name}"
        quiet: dict[str, Any] = {"include_in_schema": False}
        app.add_api_route("/", self.page, **quiet)
        app.add_api_route("/docs", self.reference(app), **quiet)
        app.add_api_route("/static/{name}", self.static, **quiet)
        for path, method, answer in (
            ("/v1/model", "GET", self.model),
            ("/v1/predict", "POST", self.predict),
            ("/v1/predict:batch", "POST", self.predict_batch),
            (EXPLAIN, "POST", self.explain),
            ("/metrics", "GET", self.metrics),
            ("/v2", "GET", self.v2),
            ("/v2/health/live", "GET", self.live),
            ("/v2/health/ready", "GET", self.ready),
            (model, "GET", self.v2_model),
            (f"{model}/ready", "GET", self.ready),
            (f"{model}/infer", "POST", self.infer),
        ):
            more = described(path, info, self.service.settings)
            if path == EXPLAIN and not info.explains:
                more = quiet
            app.add_api_route(path, answer, methods=[method], response_class=Response, **more)

    async def page(self) -> Response:
        """The page."""
        return HTMLResponse(self._page)

    @cached_property
    def _page(self) -> str:
        return main_page(self.service.info, self.service.settings, needs_token=self._needs_token)

    def reference(self, app: FastAPI) -> Any:
        """The reference of the API as a page."""

        async def answer() -> Response:
            return HTMLResponse(reference_page(self.service.info, app.openapi()))

        return answer

    async def static(self, name: str) -> Response:
        """A file of the page."""
        if name not in STATIC:
            raise HTTPException(404, "Not Found")
        content = resources.files(STATIC[name]).joinpath(name).read_bytes()
        return Response(content, media_type="text/javascript")

    async def model(self) -> Response:
        """What the model reads and predicts."""
        return json_response(to_plain(self.service.info))

    async def predict(self, request: Request) -> Response:
        """Predict one track."""
        pictures = wants(request, PICTURES)
        async with self.reader.track(request) as track:
            prediction, extracted = await self.service.predict(track)
        content = self._record(prediction)
        if pictures:
            content |= {PICTURES: await self._pictures(extracted)}
        return json_response(content)

    async def _pictures(self, extracted: ExtractedTrack) -> dict[str, Any]:
        found = await asyncio.to_thread(self.service.pictures, extracted)
        return {modality: picture_record(picture) for modality, picture in found.items()}

    async def predict_batch(self, request: Request) -> Response:
        """Predict several tracks; each answer is a prediction or an error."""
        wants(request)
        async with self.reader.tracks(request) as tracks:
            answers = await asyncio.gather(
                *(self._one(track) for track in tracks), return_exceptions=True
            )
        predictions = [self._of_batch(answer) for answer in answers]
        return json_response({"predictions": predictions})

    async def _one(self, track: Any) -> TrackPrediction:
        if isinstance(track, Exception):
            raise track
        prediction, _ = await self.service.predict(track)
        return prediction

    def _of_batch(self, answer: Any) -> dict[str, Any]:
        if isinstance(answer, TrackPrediction):
            return self._record(answer)
        if isinstance(answer, UserError):
            field = getattr(answer, "field", "")
            return {"error": str(answer), **({"field": field} if field else {})}
        raise answer

    def _record(self, prediction: TrackPrediction) -> dict[str, Any]:
        return {**to_plain(prediction), "synthetic": self.service.info.synthetic}

    async def explain(self, request: Request) -> Response:
        """Predict one track, and tell what each part of it contributed."""
        pictures = wants(request, PICTURES)
        async with self.reader.track(request) as track:
            explanation, extracted = await self.service.explain(track)
        content = explanation.to_json()
        if pictures:
            content |= {PICTURES: await self._pictures(extracted)}
        return json_response(content)

    async def metrics(self) -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(self.service.statistics.text(), media_type=PROMETHEUS)

    async def v2(self) -> Response:
        """The server, by the KServe protocol."""
        return json_response(kserve.server_metadata())

    async def live(self) -> Response:
        """Whether the server runs."""
        return json_response({"live": True})

    async def ready(self) -> Response:
        """Whether requests are answered."""
        ready = self.service.ready
        return json_response(
            {"name": self.service.info.name, "ready": ready}, 200 if ready else 503
        )

    async def v2_model(self) -> Response:
        """The model's inputs and outputs, by the KServe protocol."""
        return json_response(kserve.model_metadata(self.service.info))

    async def infer(self, request: Request) -> Response:
        """Scores for features, by the KServe protocol."""
        wants(request)
        info, settings = self.service.info, self.service.settings
        body = await request.body()
        asked, binary = kserve.read_request(body, request.headers.get(kserve.HEADER_LENGTH))
        rows = kserve.rows_of(asked, binary, info, settings.max_tracks)
        outputs = await self.service.infer(rows)
        content, head = kserve.answer(asked, outputs, info)
        if head is None:
            return Response(content, media_type="application/json")
        headers = {kserve.HEADER_LENGTH: str(head)}
        return Response(content, headers=headers, media_type="application/octet-stream")
