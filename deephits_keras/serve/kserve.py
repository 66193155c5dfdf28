"""KServe's inference protocol, version 2, over HTTP: features in, scores out.

https://github.com/kserve/open-inference-protocol; with the extension for binary tensors, as
spectrograms are large as text. JSON has no NaN, an unknown value: it is null here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from deephits_keras.encoders.features import PRESENT, input_name
from deephits_keras.errors import UserError
from deephits_keras.export.tensors import TensorInfo
from deephits_keras.serve.json_text import require_keys_once
from deephits_keras.serve.refusal import RefusedError
from deephits_keras.serve.schema import ModelInfo
from deephits_keras.serve.service import Rows, Tensors
from deephits_keras.tasks import get_task
from deephits_keras.utils.records import from_plain
from deephits_keras.version import __version__

DATATYPES = {"float32": "FP32", "int32": "INT32"}
BINARY_SIZE, BINARY_DATA = "binary_data_size", "binary_data"
HEADER_LENGTH = "Inference-Header-Content-Length"


class SentTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input of a request.

    Attributes:
        name: Its name.
        shape: Its shape, with the batch axis.
        datatype: `FP32` or `INT32`.
        data: Its values, flat or nested; none if they are binary.
        parameters: `binary_data_size`, if they are.
    """

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class WantedTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a request asks for.

    Attributes:
        name: Its name.
        parameters: `binary_data`: whether its values are sent as bytes.
    """

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON of a request.

    Attributes:
        inputs: Inputs.
        id: Given back in the answer.
        outputs: Outputs that are wanted; all by default.
        parameters: `binary_data_output`: whether all outputs are sent as bytes.
    """

    inputs: list[SentTensor]
    id: str | None = None
    outputs: list[WantedTensor] = []
    parameters: dict[str, Any] = {}


def server_metadata() -> dict[str, Any]:
    """The answer of `GET /v2`."""
    return {"name": "deephits", "version": __version__, "extensions": ["binary_tensor_data"]}


def model_metadata(info: ModelInfo) -> dict[str, Any]:
    """The answer of `GET /v2/models/NAME`."""
    return {
        "name": info.name,
        "versions": [],
        "platform": "onnx_onnxv1" if info.kind == "bundle" else "keras",
        "inputs": [
            {"name": t.name, "datatype": DATATYPES[t.dtype], "shape": [-1, *t.shape]}
            for t in info.inputs
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": [-1, *shape]}
            for name, (datatype, shape) in _outputs(info).items()
        ],
    }


def _outputs(info: ModelInfo) -> dict[str, tuple[str, tuple[int, ...]]]:
    scores = {"scores": ("FP32", (len(info.tiers),))} if info.scores else {}
    return {
        "outputs": ("FP32", (info.outputs,)),
        "popularity": ("FP32", ()),
        "tier": ("INT32", ()),
        **scores,
    }


def read_request(body: bytes, header_length: str | None) -> tuple[InferRequest, bytes]:
    """The JSON of a request, and the bytes after it.

    Raises:
        RefusedError: if it isn't one.
    """
    length = len(body)
    if header_length is not None:
        if not header_length.isdecimal() or int(header_length) > length:
            raise RefusedError(400, f"{HEADER_LENGTH} must be at most the length of the body")
        length = int(header_length)
    head = body[:length]
    try:
        try:
            found = msgspec.json.decode(head, type=InferRequest)
        except msgspec.ValidationError:
            # Once more, for a reason that names what was received.
            found = from_plain(msgspec.json.decode(head), InferRequest, "the request")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedError(400, f"The request is not JSON: {error}") from error
    except UserError as error:
        raise RefusedError(400, str(error)) from error
    require_keys_once(head, "the request")
    return found, body[length:]


def rows_of(request: InferRequest, binary: bytes, info: ModelInfo, most: int) -> Rows:
    """The model's inputs of a request; a modality without features is missing.

    Args:
        request: The request.
        binary: The bytes after its JSON.
        info: The model.
        most: Most rows.

    Raises:
        RefusedError: if the inputs aren't the model's.
    """
    known = {tensor.name: tensor for tensor in info.inputs}
    given: Tensors = {}
    for sent in request.inputs:
        if sent.name not in known or sent.name in given:
            told = "is there twice" if sent.name in given else "is not an input of the model"
            raise RefusedError(400, f"{sent.name!r:.80} {told}. Inputs: {', '.join(known)}")
        size = sent.parameters.get(BINARY_SIZE)
        if size is not None:
            if not isinstance(size, int) or not 0 <= size <= len(binary):
                raise RefusedError(400, f"{sent.name}: {BINARY_SIZE} is more than the body has")
            given[sent.name] = _from_bytes(sent, known[sent.name], binary[:size])
            binary = binary[size:]
        else:
            given[sent.name] = _from_values(sent, known[sent.name])
    if binary:
        raise RefusedError(400, f"{len(binary)} bytes of the body belong to no input")
    counts = {len(array) for array in given.values()}
    if len(counts) != 1 or not 0 < (count := counts.pop()) <= most:
        raise RefusedError(400, f"The inputs must have one batch size, from 1 to {most}")
    _add_missing(given, info, count)
    masks = [given[input_name(modality, PRESENT)] for modality in info.features]
    if empty := np.flatnonzero(np.sum(masks, axis=0) == 0).tolist():
        told = f"row {empty[0]} of the batch has nothing to predict from"
        raise RefusedError(400, f"{told}: every modality is missing")
    return Rows({name: given[name] for name in known}, count)


def _add_missing(given: Tensors, info: ModelInfo, count: int) -> None:
    """Zeros for modalities without features, and the masks that weren't sent."""
    tensors = {tensor.name: tensor for tensor in info.inputs}
    for modality, features in info.features.items():
        mask = input_name(modality, PRESENT)
        own = [tensors[input_name(modality, feature)] for feature in features]
        lacking = [tensor.name for tensor in own if tensor.name not in given]
        if lacking and len(lacking) < len(own):
            raise RefusedError(400, f"{modality} lacks the inputs {', '.join(lacking)}")
        if not lacking:
            given.setdefault(mask, np.ones((count, 1), np.float32))
            if not ((given[mask] == 0) | (given[mask] == 1)).all():
                raise RefusedError(400, f"{mask} must be 0 or 1")
            continue
        if mask in given and given[mask].any():
            names = ", ".join(lacking)
            raise RefusedError(400, f"{mask} says that {modality} is there: it lacks {names}")
        given[mask] = np.zeros((count, 1), np.float32)
        given |= {t.name: np.zeros((count, *t.shape), t.dtype) for t in own}


def _check(sent: SentTensor, tensor: TensorInfo) -> None:
    datatype = DATATYPES[tensor.dtype]
    if sent.datatype != datatype:
        raise RefusedError(400, f"{sent.name} is of {datatype}. Received: {sent.datatype!r:.80}")
    if tuple(sent.shape[1:]) != tensor.shape or not sent.shape or sent.shape[0] < 1:
        wanted = [-1, *tensor.shape]
        raise RefusedError(400, f"{sent.name} has the shape {wanted}. Received: {sent.shape!r:.80}")


def _from_bytes(sent: SentTensor, tensor: TensorInfo, content: bytes) -> np.ndarray[Any, Any]:
    _check(sent, tensor)
    dtype = np.dtype(tensor.dtype).newbyteorder("<")
    if len(content) != math.prod(sent.shape) * dtype.itemsize:
        raise RefusedError(400, f"{sent.name}: {len(content)} bytes are not the shape {sent.shape}")
    array = np.frombuffer(content, dtype).astype(tensor.dtype, copy=False).reshape(sent.shape)
    return _finite(sent, array)


def _from_values(sent: SentTensor, tensor: TensorInfo) -> np.ndarray[Any, Any]:
    _check(sent, tensor)
    wrong = RefusedError(400, f"{sent.name}: data must be {sent.shape} numbers of {sent.datatype}")
    try:
        found = np.asarray(sent.data)
        if found.dtype == object:
            # null is NaN; anything else that isn't a number is refused.
            flat = found.ravel().tolist()
            if not all(type(value) in (int, float, type(None)) for value in flat):
                raise wrong
            found = np.array([np.nan if v is None else float(v) for v in flat])
        if found.ndim > 1 and list(found.shape) != sent.shape:
            raise wrong
        if found.dtype.kind not in "iuf" or found.size != math.prod(sent.shape):
            raise wrong
        if tensor.dtype == "int32":
            limits = np.iinfo(np.int32)
            if not ((found % 1 == 0) & (found >= limits.min) & (found <= limits.max)).all():
                raise wrong
        with np.errstate(over="ignore"):
            array = found.astype(tensor.dtype).reshape(sent.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise wrong from error
    return _finite(sent, array)


def _finite(sent: SentTensor, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise RefusedError(400, f"{sent.name} has values that aren't finite")
    return array


def answer(
    request: InferRequest, outputs: np.ndarray[Any, Any], info: ModelInfo
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if bytes follow.

    Args:
        request: The request.
        outputs: The model's outputs `(rows, outputs)`.
        info: The model.

    Raises:
        RefusedError: if an output is wanted that there isn't, or the outputs aren't finite.
    """
    if not np.isfinite(outputs).all():
        raise RefusedError(422, "The model's outputs for these features aren't finite numbers")
    task = dataclasses.replace(get_task(info.task), decoding=info.decoding)
    decoded = task.decode(outputs)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "outputs": outputs.astype(np.float32),
        "popularity": decoded.popularity.astype(np.float32),
        "tier": decoded.tiers(task.tiers),
    }
    if decoded.scores is not None:
        arrays["scores"] = decoded.scores.astype(np.float32)
    binary = _flag(request.parameters, "binary_data_output", default=False)
    wanted = request.outputs or [WantedTensor(name) for name in arrays]
    told, tail = [], b""
    for each in wanted:
        if each.name not in arrays:
            raise RefusedError(400, f"There is no output {each.name!r:.80}: {', '.join(arrays)}")
        record, content = _told(each, arrays[each.name], binary=binary)
        told.append(record)
        tail += content
    identity = {} if request.id is None else {"id": request.id}
    head = msgspec.json.encode({"model_name": info.name, **identity, "outputs": told})
    return head + tail, len(head) if tail else None


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name} must be true or false. Received: {value!r:.80}")
    return value


def _told(
    wanted: WantedTensor, array: np.ndarray[Any, Any], *, binary: bool
) -> tuple[Mapping[str, Any], bytes]:
    datatype = DATATYPES[str(array.dtype)]
    record = {"name": wanted.name, "datatype": datatype, "shape": list(array.shape)}
    if unknown := wanted.parameters.keys() - {BINARY_DATA}:
        reason = f"{wanted.name} has no parameter {min(unknown)!r:.80}, only {BINARY_DATA}"
        raise RefusedError(400, reason)
    if _flag(wanted.parameters, BINARY_DATA, default=binary):
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return {**record, "parameters": {BINARY_SIZE: len(content)}}, content
    return {**record, "data": array.ravel().tolist()}, b""
