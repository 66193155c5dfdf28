"""`CoverCNN`: a picture as an input, with an explanation by regions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from deephits_keras import (
    EncoderConfig,
    ExtractionError,
    FeatureSpec,
    Input,
    ModalityEncoder,
    Track,
    setting,
)

COVER = Input("cover", "file", (".jpg", ".jpeg", ".png", ".webp"))
"""Endings of the files that import finds in `--input-dir cover=FOLDER`."""

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class CoverCNNConfig(EncoderConfig):
    """Settings of `CoverCNN`."""

    size: int = setting(32, "pixels on each side", changes_features=True)
    filters: int = setting(16, "filters of the first convolution")
    units: int = setting(32, "size of the embedding")

    def __post_init__(self) -> None:
        if self.size < 8 or min(self.filters, self.units) < 1:
            raise ValueError("size must be at least 8, filters and units positive")


class CoverCNN(ModalityEncoder[CoverCNNConfig]):
    """Cover art, resized, through two convolutions.

    Outside the graph: RGB from 0 to 1, resized to a square of 32 pixels with an area filter.

    Inside: z-scored by the mean and deviation of each colour over the training covers, two 3x3
    convolutions with max pooling, the mean over the picture, and a dense layer.
    """

    name = "cover_cnn"
    modality = "cover"
    version = "1"
    summary = "cover art of 32 x 32 pixels -> two convolutions -> 32-D"
    Config = CoverCNNConfig
    inputs = (COVER,)

    def __init__(self, config=None):
        super().__init__(config)
        self.mean, self.variance = [0.5] * 3, [0.1] * 3

    @property
    def feature_specs(self):
        """One feature, `pixels`: `(size, size, 3)` float16, RGB from 0 to 1."""
        shape = (self.config.size, self.config.size, len(CHANNELS))
        return (FeatureSpec("pixels", shape, "float16", "RGB, 0 to 1"),)

    @property
    def embedding_size(self):
        """The setting `units`."""
        return self.config.units

    # === Outside the graph ===

    def extract(self, track):
        """A track's resized cover; None without one."""
        path = track.files.get("cover")
        if path is None:
            return None
        from PIL import Image

        size = (self.config.size, self.config.size)
        try:
            with Image.open(path) as image:
                small = image.convert("RGB").resize(size, Image.Resampling.BOX)
        # Pillow raises SyntaxError, too, for some damaged PNGs.
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = f"its cover {path.name} can't be read: {error}"
            raise ExtractionError(track.id, reason) from error
        return {"pixels": (np.asarray(small, dtype="float32") / 255).astype("float16")}

    # === Inside the graph ===

    def adapt(self, batches):
        """Mean and variance of each colour, in one pass."""
        from deephits_keras.encoders.moments import Moments

        moments = Moments.from_batches((batch["pixels"] for batch in batches), len(CHANNELS))
        self.mean, self.variance = moments.mean.tolist(), moments.variance.tolist()

    def build(self, inputs):
        """`(batch, size, size, 3)` to `(batch, units)`."""
        from keras import layers

        x = layers.Normalization(mean=self.mean, variance=self.variance, name="colours")(
            inputs["pixels"]
        )
        for filters in (self.config.filters, 2 * self.config.filters):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
            x = layers.MaxPooling2D(2)(x)
        x = layers.GlobalAveragePooling2D()(x)
        return layers.Dense(self.config.units, activation="relu")(x)

    # === Remarks, explanations, baselines ===

    def remarks(self, track, features):
        """A remark if the cover has only one colour, as placeholders have."""
        del track
        plain = float(np.ptp(features["pixels"].astype("float32"), axis=(0, 1)).max()) < 0.02
        return ("the cover is of one colour: a placeholder?",) if plain else ()

    def tabular(self, features):
        """Each colour's mean, the brightness and the contrast, for the shallow baselines."""
        pixels = features["pixels"].astype("float64").reshape(-1, self.config.size**2, 3)
        columns = {f"mean_{name}": pixels[:, :, n].mean(axis=1) for n, name in enumerate(CHANNELS)}
        grey = pixels.mean(axis=2)
        return columns | {"brightness": grey.mean(axis=1), "contrast": grey.std(axis=1)}

    def explainable(self, track, features, branch):
        """Attribute to regions; the baseline is a plain cover in the mean training colour."""
        del track
        from .explaining import ExplainableCover

        return ExplainableCover(features["pixels"], branch)

    # === Samples and checks ===

    @classmethod
    def example_tracks(cls, folder):
        """Three generated covers."""
        files = {name: folder / f"{name}.png" for name in ("dawn", "noon", "dusk")}
        for name, path in files.items():
            _draw_cover(path, name)
        return [Track(name, files={"cover": path}) for name, path in files.items()]

    @classmethod
    def bad_tracks(cls, folder):
        """A truncated file."""
        _draw_cover(folder / "whole.png", "whole")
        broken = folder / "broken.png"
        broken.write_bytes((folder / "whole.png").read_bytes()[:200])
        return [Track("broken", files={"cover": broken})]

    @classmethod
    def prepare_sample(cls, folder, tracks):
        """A generated cover for each track: `deephits import ... --input-dir cover=FOLDER`."""
        for track in tracks:
            _draw_cover(folder / f"{track.id}.png", track.id)
        return {}


def _draw_cover(path, seed: str) -> None:
    """Blocks of colour that depend on a text, with a little noise."""
    from PIL import Image

    rng = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()[:8]))
    blocks = np.kron(rng.uniform(0, 255, (4, 4, 3)), np.ones((16, 16, 1)))
    noise = rng.normal(0, 8, blocks.shape)
    Image.fromarray(np.clip(blocks + noise, 0, 255).astype("uint8")).save(path)
