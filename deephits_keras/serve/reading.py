"""Requests, read: a body becomes tracks, whose files lie in a folder that is removed afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from deephits_keras.corpus.lyrics import LyricsCleaning
from deephits_keras.errors import UserError
from deephits_keras.prediction.asked import checked_track
from deephits_keras.serve.form import read_form
from deephits_keras.serve.json_text import read_json
from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.schema import ModelInfo
from deephits_keras.serve.settings import ServeSettings
from deephits_keras.tracks import Track
from deephits_keras.utils.suggestions import suggestion

JSON, FORM = "application/json", "multipart/form-data"
LONGEST_ID = 200
LONGEST_NAME = 50
"""Letters of a file's name, of at most four bytes each: file systems allow 255 bytes."""

UNUSUAL = re.compile(r"[^\w .,'()&+-]")
ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}$")


@dataclass
class Asked:
    """A track as it was sent.

    Attributes:
        track_id: Its id.
        fields: Fields by name.
        texts: Texts by name.
        files: Uploaded files by name.
    """

    track_id: str = "track"
    fields: Mapping[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadFile] = field(default_factory=dict)


class Reader:
    """Reads the bodies of requests.

    Args:
        info: What the model reads.
        settings: Limits.
        folder: Where uploaded files lie while a request is answered.
        cleaning: How lyrics are cleaned.
    """

    def __init__(
        self, info: ModelInfo, settings: ServeSettings, folder: Path, cleaning: LyricsCleaning
    ) -> None:
        self.info, self.settings, self._folder = info, settings, folder
        self._cleaning = cleaning

    @contextlib.asynccontextmanager
    async def track(self, request: Request) -> AsyncIterator[Track]:
        """The track of a request: JSON, or a form with files.

        Raises:
            RefusedError: if it can't be read; FieldError: if a field's value is invalid.
        """
        async with self._body(request) as parts:
            asked = self._asked(parts)
            async with self._files(asked) as paths:
                yield await self._checked(asked, paths)

    @contextlib.asynccontextmanager
    async def tracks(self, request: Request) -> AsyncIterator[list[Track | Exception]]:
        """The tracks of a request of several; those that can't be used as errors.

        Raises:
            RefusedError: if the request as a whole can't be read.
        """
        async with self._body(request) as parts, contextlib.AsyncExitStack() as stack:
            listed = parts.pop("tracks", None)
            if isinstance(listed, str):
                listed = read_json(listed.encode(), "tracks")
            if not isinstance(listed, list) or not listed:
                raise RefusedError(
                    422, "tracks must be a list of at least one track", field="tracks"
                )
            if len(listed) > self.settings.max_tracks:
                most = f"more than the {self.settings.max_tracks} of one request"
                raise RefusedError(413, f"There are {len(listed)} tracks, {most}", field="tracks")
            self._require_used(listed, parts)
            found: list[Track | Exception] = []
            for number, values in enumerate(listed):
                try:
                    asked = self._of_list(number, values, parts)
                    paths = await stack.enter_async_context(self._files(asked))
                    found.append(await self._checked(asked, paths))
                except UserError as error:
                    found.append(error)
            yield found

    def _require_used(self, listed: list[Any], parts: Mapping[str, Any]) -> None:
        """Refuse parts that no track of a list names."""
        tracks = [values for values in listed if isinstance(values, dict)]
        named = [values.get(name) for values in tracks for name in self.info.files]
        for part in parts:
            if part not in named:
                reason = f"No track of `tracks` names the part {part!r:.80} as one of its files"
                raise RefusedError(422, reason, field=part)

    @contextlib.asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[dict[str, Any]]:
        """The parts of a body by name: values of JSON, texts and files of a form."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == JSON:
            values = read_json(await request.body(), "the body")
            if not isinstance(values, dict):
                raise RefusedError(422, f"The body must be a JSON object. Received: {values!r:.80}")
            yield values
            return
        if kind != FORM:
            wanted = f"The content type must be {JSON} or {FORM}"
            raise RefusedError(415, f"{wanted}. Received: {kind[:80] or 'none'}")
        most = self.settings.max_tracks * max(1, len(self.info.files)) + 8
        largest = self.settings.max_bytes
        async with read_form(request, most_parts=most, largest_text=largest) as form:
            parts: dict[str, Any] = {}
            for name, value in form.multi_items():
                if name in parts:
                    raise RefusedError(
                        422, f"There are several parts called {name!r:.80}", field=name
                    )
                parts[name] = value
            yield parts

    def _asked(self, parts: Mapping[str, Any]) -> Asked:
        info = self.info
        asked = Asked()
        for name, value in parts.items():
            if name == "fields":
                asked.fields = self._fields(value)
            elif name == "id":
                asked.track_id = self._id(value)
            elif name in info.texts:
                text = self._text(name, value)
                asked.texts |= {} if text is None else {name: text}
            elif name in info.files:
                asked.files |= self._file(name, value)
            else:
                known = ["id", *info.texts, *info.files, "fields"]
                hint = suggestion(name, known)
                if name in {each.name for each in info.fields}:
                    hint = f" (fields go into `fields`: {{{name!r}: ...}})"
                read = f"Parts: {', '.join(known)}"
                raise RefusedError(
                    422, f"There is no part called {name!r:.80}{hint}. {read}", field=name
                )
        return asked

    def _of_list(self, number: int, values: Any, parts: Mapping[str, Any]) -> Asked:
        """A track of a list, whose files are parts of the form."""
        if not isinstance(values, dict):
            raise RefusedError(422, f"tracks[{number}] must be an object. Received: {values!r:.80}")
        named = dict(values)
        for name in self.info.files:
            part = named.get(name)
            if part is None:
                continue
            if not isinstance(part, str) or not isinstance(parts.get(part), UploadFile):
                reason = f"tracks[{number}].{name} must be the name of a file in the form"
                raise RefusedError(422, f"{reason}. Received: {part!r:.80}", field=name)
            named[name] = parts[part]
        named.setdefault("id", str(number))
        return self._asked(named)

    def _fields(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            value = read_json(value.encode(), "fields")
        if not isinstance(value, dict):
            reason = f"fields must be a JSON object. Received: {value!r:.80}"
            raise RefusedError(422, reason, field="fields")
        for name, of in value.items():
            if not isinstance(of, str | int | float | None):
                kind = "a number or a text"
                raise RefusedError(422, f"{name} must be {kind}. Received: {of!r:.80}", field=name)
            if isinstance(of, str) and len(of) > self.settings.max_letters:
                raise self._too_long(name, of)
        return value

    def _id(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_ID:
            reason = f"id must be a text of at most {LONGEST_ID} characters"
            raise RefusedError(422, f"{reason}. Received: {value!r:.80}", field="id")
        return value

    def _text(self, name: str, value: Any) -> str | None:
        if isinstance(value, UploadFile):
            if (value.size or 0) > 4 * self.settings.max_letters:
                raise RefusedError(
                    413, f"{name} is longer than {self.settings.max_letters} characters"
                )
            try:
                value = value.file.read().decode("utf-8-sig")
            except UnicodeDecodeError as error:
                reason = f"{name} is not UTF-8 text: {error.reason}"
                raise RefusedError(422, reason, field=name) from error
        if not isinstance(value, str | None):
            raise RefusedError(422, f"{name} must be a text. Received: {value!r:.80}", field=name)
        if value is not None and len(value) > self.settings.max_letters:
            raise self._too_long(name, value)
        return value

    def _too_long(self, name: str, value: str) -> RefusedError:
        most = f"more than the {self.settings.max_letters} allowed"
        return RefusedError(413, f"{name} has {len(value)} characters, {most}", field=name)

    def _file(self, name: str, value: Any) -> dict[str, UploadFile]:
        if isinstance(value, UploadFile):
            # A form of a page sends an empty file where none was chosen.
            return {name: value} if value.filename or value.size else {}
        if value is None:
            return {}
        reason = f"{name} must be a file, sent as a part of {FORM} with a file name"
        raise RefusedError(422, f"{reason}. Received: {value!r:.80}", field=name)

    @contextlib.asynccontextmanager
    async def _files(self, asked: Asked) -> AsyncIterator[dict[str, Path]]:
        if not asked.files:
            yield {}
            return
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            paths = {}
            for name, upload in asked.files.items():
                own = Path(folder) / name
                own.mkdir()
                paths[name] = own / file_name(upload.filename or "", name)
                await asyncio.to_thread(_save, upload, paths[name])
            yield paths

    async def _checked(self, asked: Asked, paths: Mapping[str, Path]) -> Track:
        quick = not asked.texts and all(type(v) in (int, float) for v in asked.fields.values())
        if quick:
            return checked_track(asked.track_id, paths, asked.texts, asked.fields)
        return await asyncio.to_thread(
            checked_track, asked.track_id, paths, asked.texts, asked.fields, self._cleaning
        )


def file_name(sent: str, name: str) -> str:
    """A harmless name for an uploaded file, by which its sender knows it in messages.

    Args:
        sent: The client's name for it, of which a path is cut off.
        name: Name of the input, if nothing is left.

    Example:
        >>> file_name("../été <b>.MP3", "audio"), file_name("", "audio")
        ('été _b_.mp3', 'audio')
    """
    last = sent.replace("\\", "/").rpartition("/")[2]
    # Some decoders look at the ending.
    ending = ENDING.search(last)
    stem = UNUSUAL.sub("_", last[: ending.start()] if ending else last).strip(". ")
    return f"{stem[:LONGEST_NAME] or name}{ending[0].lower() if ending else ''}"


def _save(upload: UploadFile, path: Path) -> None:
    # Several tracks may name one file.
    upload.file.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file, 2**20)
