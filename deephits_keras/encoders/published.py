"""`PublishedEncoder`: base class of encoders with weights that their authors published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features


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
