"""Encoders with weights that their authors published: a base class, and a reader of checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features
from deephits_keras.errors import UserError

if TYPE_CHECKING:
    from deephits_keras.types import Array


@dataclass(frozen=True)
class PublishedConfig(EncoderConfig):
    """Settings of a `PublishedEncoder`; subclasses say what `weights` names."""

    weights: str | None = setting(
        None, "the published weights; none: train from random weights", path=True
    )
    frozen: bool = setting(True, "freeze published weights")


PublishedConfigT = TypeVar("PublishedConfigT", bound=PublishedConfig)


class PublishedEncoder(ModalityEncoder[PublishedConfigT]):
    """An encoder whose `build` loads published weights into a new model.

    Subclasses set `published_weights`. A saved model has its weights in it: `build` must load
    only where `weights_to_load` isn't None.
    """

    def __init__(self, config: PublishedConfigT | None = None) -> None:
        super().__init__(config)
        self._new_model = False

    @property
    def weights_used(self) -> str:
        """See the base class."""
        return self.published_weights if self.config.weights else ""

    @property
    def weights_to_load(self) -> str | None:
        """Path of the weights that `build` has to load; None for a saved model."""
        return self.config.weights if self._new_model else None

    @property
    def trainable(self) -> bool:
        """Whether the branch is trained."""
        return not (self.config.weights and self.config.frozen)

    def adapt(self, batches: Iterable[Features]) -> None:
        """Enable loading of published weights for a new model."""
        del batches
        self._new_model = True


def read_checkpoint(prefix: str) -> Mapping[str, Array]:
    """Read the variables of a TensorFlow checkpoint, of version 1 or 2, by name.

    Only arrays are read: neither a graph nor code, nor the file `checkpoint`, which may name
    another folder.

    Args:
        prefix: Path of the checkpoint's files without `.index` and `.data-...`; it ends with a
            slash if their names begin with the dot.

    Raises:
        UserError: if it can't be read, or TensorFlow isn't installed.
    """
    try:
        import tensorflow as tf
    except ImportError:
        raise UserError(f"{prefix} is a checkpoint of TensorFlow, which isn't installed") from None
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        names = reader.get_variable_to_shape_map()
        return {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f"{prefix} can't be read: {error}") from error
