"""The network in ONNX for exported models, and whichever runs it: Keras or onnxruntime.

musicnn.onnx     from patches to tags and pooled features
portable.json    the identity of its weights
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from deephits_keras.errors import UserError
from deephits_keras.types import Array
from deephits_keras.utils.files import write_json

from .weights import ONNX, RECORD, Portable, folder_of, identity, read_weights

Listen = Callable[[Array], Array]
"""From patches `(rows, 187, 96)` to tags and pooled features `(rows, 803)` float32."""


def listener(model: str, weights: str | None) -> Listen:
    """The network, made once per process.

    Args:
        model: `msd` or `mtt`.
        weights: The setting `weights`.

    Raises:
        UserError: if its weights are missing or damaged, or a package that runs it is.
    """
    return _listener(model, weights, identity(model, weights))


@lru_cache(maxsize=2)
def _listener(model: str, weights: str | None, content: str) -> Listen:
    del content  # part of the cache key only, so that replaced weights are loaded again
    folder = folder_of(model, weights)
    if folder is not None and (folder / ONNX).is_file():
        return _onnx(folder / ONNX)
    read = read_weights(model, weights)
    from .network import whole

    # float32 whatever the global policy: stored features must not depend on it.
    network = whole(read, trainable=False, dtype="float32")

    def listen(patches: Array) -> Array:
        return np.asarray(network.predict_on_batch({"patches": patches}), np.float32)

    return listen


def _onnx(path: Path) -> Listen:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "The exported musicnn needs onnxruntime: pip install 'deephits-keras[runtime]'"
        ) from None
    from deephits_keras.export.formats.onnx_inspection import check_operators

    check_operators(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise UserError(f"{path} is no exported musicnn: {str(error)[:300]}") from error
    return lambda patches: np.asarray(session.run(["outputs"], {"patches": patches})[0])


def write(model: str, weights: str | None, folder: Path) -> None:
    """Write the network for `listener`; Keras must run on TensorFlow.

    Args:
        model: `msd` or `mtt`.
        weights: The setting `weights`.
        folder: An empty folder.

    Raises:
        UserError: if the weights are missing, or it can't be converted.
    """
    from deephits_keras.export.formats.frozen import frozen
    from deephits_keras.export.formats.onnx import write_onnx

    from .network import whole

    network = whole(read_weights(model, weights), trainable=False, dtype="float32")
    write_onnx(frozen(network), folder / ONNX)
    write_json(folder / RECORD, Portable(identity(model, weights)))
