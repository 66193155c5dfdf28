"""A page for a plain file server: the model runs in the browser, by onnxruntime-web."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from deephits_keras.export.formats.onnx import Onnx

if TYPE_CHECKING:
    from deephits_keras.encoders.registry import AnyEncoder
    from deephits_keras.export.manifest import Manifest


class Web(Onnx):
    """The graph of `Onnx`, with a page that runs it and the page's scripts.

    Args:
        runtime: Where onnxruntime-web comes from (`export.web.runtime`); needed to write only.
    """

    name = "web"
    summary = "a page that needs no server, in the browser"
    files: ClassVar[tuple[str, ...]] = (
        "model.onnx",
        "index.html",
        "page.json",
        "page.js",
        "song.js",
        "model.js",
        "decoding.js",
        "lyrics.js",
        "onnxruntime-web.js",
        "onnxruntime-web.wasm",
        "onnxruntime-web-LICENSE.txt",
    )

    def __init__(self, runtime: str | Path | None = None) -> None:
        self.runtime = runtime

    def write(self, model: Any, folder: Path, manifest: Manifest) -> int | None:
        """Write the graph and onnxruntime-web.

        Raises:
            UserError: if onnxruntime-web isn't given, or is another release.
        """
        from deephits_keras.export.web.runtime import write_runtime

        write_runtime(self.runtime, folder)
        return super().write(model, folder, manifest)

    def write_encoders(
        self, encoders: Mapping[str, AnyEncoder], folder: Path, manifest: Manifest
    ) -> dict[str, tuple[str, ...]]:
        """Write the page with the encoders' JavaScript; a network of their own is left out.

        Raises:
            UserError: if no encoder has JavaScript.
        """
        from deephits_keras.export.web.site import write_site

        write_site(encoders, folder, manifest)
        return {}
