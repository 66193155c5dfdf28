"""Inside the graph: layers that vary spectrograms in training, and do nothing at inference.

Like dropout they draw from generators of their own, which a training seeds by its seed and epoch.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops, random

from deephits_keras.types import Tensor


class _Augmentation(layers.Layer):  # type: ignore[misc]
    """Base class: `(batch, ..., bands, frames)` spectrograms, unchanged at inference."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = random.SeedGenerator()

    def call(self, spectrograms: Tensor, training: bool | None = None) -> Tensor:
        """Vary the spectrograms in training."""
        return self.vary(spectrograms) if training else spectrograms

    def vary(self, spectrograms: Tensor) -> Tensor:
        """The varied spectrograms, of a batch of tracks."""
        raise NotImplementedError

    def uniform(self, shape: Any) -> Tensor:
        """Random numbers from 0 to 1, float32."""
        return random.uniform(shape, dtype="float32", seed=self.seed_generator)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's: what it is at inference."""
        return shape


@keras.saving.register_keras_serializable("deephits")
class SpecAugment(_Augmentation):
    """Replace random bands and random stretches of time by a constant (Park et al. 2019).

    *SpecAugment: A simple data augmentation method for automatic speech recognition*, without its
    time warping: each mask has a random width up to the given one, and a random place.

    Args:
        bands: Largest width of a mask in bands; 0 for none.
        frames: Largest width of a mask in frames; 0 for none.
        masks: Number of masks of each kind.
        value: The constant, in dB.

    Example:
        >>> import numpy as np
        >>> layer = SpecAugment(bands=4, frames=4, masks=1, value=0.0)
        >>> varied = ops.convert_to_numpy(layer(np.ones((8, 16, 32), "float32"), training=True))
        >>> bool((varied == 0).any()), bool((varied == 1).any())
        (True, True)
    """

    def __init__(
        self, bands: int = 0, frames: int = 0, masks: int = 2, value: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.bands, self.frames, self.masks, self.value = bands, frames, masks, value

    def vary(self, spectrograms: Tensor) -> Tensor:
        """Mask each spectrogram on its own."""
        shape = ops.shape(spectrograms)
        for _ in range(self.masks):
            if self.bands:
                hidden = self._mask(shape[:-2], shape[-2], self.bands)[..., :, None]
                spectrograms = self._replace(spectrograms, hidden)
            if self.frames:
                hidden = self._mask(shape[:-2], shape[-1], self.frames)[..., None, :]
                spectrograms = self._replace(spectrograms, hidden)
        return spectrograms

    def _mask(self, rows: Any, size: int, widest: int) -> Tensor:
        """Which of `size` places a mask covers, `(*rows, size)`."""
        draws = self.uniform((2, *rows, 1))
        widths = ops.floor(draws[0] * (min(widest, size) + 1))
        starts = ops.floor(draws[1] * (size - widths + 1))
        places = ops.arange(size, dtype="float32")
        return ops.logical_and(places >= starts, places < starts + widths)

    def _replace(self, spectrograms: Tensor, hidden: Tensor) -> Tensor:
        value = ops.cast(self.value, spectrograms.dtype)
        return ops.where(hidden, value, spectrograms)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {
            "bands": self.bands,
            "frames": self.frames,
            "masks": self.masks,
            "value": self.value,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("deephits")
class RandomCrop(_Augmentation):
    """Cut a random stretch of time out of each track's spectrograms; at inference keep all.

    Layers after it must take any number of frames.

    Args:
        frames: Length of the stretch; shorter spectrograms are kept.

    Example:
        >>> import numpy as np
        >>> ramps = np.tile(np.arange(32, dtype="float32"), (8, 4, 1))
        >>> ops.shape(RandomCrop(16)(ramps, training=True)), ops.shape(RandomCrop(16)(ramps))
        ((8, 4, 16), (8, 4, 32))
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def vary(self, spectrograms: Tensor) -> Tensor:
        """Cut each track at a place of its own, the same in all of its windows."""
        shape = ops.shape(spectrograms)
        length = spectrograms.shape[-1]
        if length <= self.frames:
            return spectrograms
        rows = (shape[0], *(1 for _ in shape[1:]))
        starts = ops.cast(ops.floor(self.uniform(rows) * (length - self.frames + 1)), "int32")
        places = ops.broadcast_to(starts + ops.arange(self.frames), (*shape[:-1], self.frames))
        return ops.take_along_axis(spectrograms, places, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "frames": self.frames}


@keras.saving.register_keras_serializable("deephits")
class Mixup(_Augmentation):
    """Mix each spectrogram with that of another track of the batch (Zhang et al. 2018).

    *mixup: Beyond empirical risk minimization*, in the form that keeps targets as they are:
    instead of mixing two tracks' losses by shares of Beta(alpha, alpha), each track keeps its own
    loss and a share of Beta(alpha + 1, alpha), which is the same in expectation (Huszar 2017,
    *mixup: data-dependent data augmentation*). Only spectrograms are mixed, no other modality.
    Tracks without a recording, whose inputs are zeros, are not mixed.

    Args:
        alpha: Parameter of the distribution; the other track's share is
            alpha / (2 alpha + 1) on average, a third at 1.
    """

    def __init__(self, alpha: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def vary(self, spectrograms: Tensor) -> Tensor:
        """Mix each track with the one before it; the order of a batch is random."""
        shape = ops.shape(spectrograms)
        rows = (shape[0], *(1 for _ in shape[1:]))
        others = ops.roll(spectrograms, 1, axis=0)
        share = random.beta(rows, self.alpha + 1, self.alpha, seed=self.seed_generator)
        axes = tuple(range(1, len(shape)))
        heard = ops.any(ops.not_equal(spectrograms, 0), axis=axes, keepdims=True)
        both = ops.logical_and(heard, ops.roll(heard, 1, axis=0))
        share = ops.cast(ops.where(both, share, ops.ones_like(share)), spectrograms.dtype)
        return share * spectrograms + (1 - share) * others

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "alpha": self.alpha}
