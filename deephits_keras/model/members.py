"""Batch ensembles: many networks in one graph.

Members share each layer's weight matrix, and each scales its inputs and outputs by its own vectors
(Wen, Tran and Ba 2020; as a tabular model: TabM, Gorishniy et al. 2024). Their predictions are
averaged.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deephits_keras.types import Tensor


@keras.saving.register_keras_serializable("deephits")
class RandomSigns(keras.initializers.Initializer):  # type: ignore[misc]
    """Initialiser: -1 or 1 with equal probability.

    Args:
        seed: Random seed; Keras' global seed by default.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        """Draw the values."""
        uniform = keras.random.uniform(shape, seed=self.seed, dtype=dtype or "float32")
        return ops.where(uniform < 0.5, -ops.ones_like(uniform), ops.ones_like(uniform))

    def get_config(self) -> dict[str, Any]:
        """The initialiser's arguments."""
        return {"seed": self.seed}


def _like_torch(size: int) -> keras.initializers.Initializer:
    """The distribution of weights and biases of PyTorch's `nn.Linear`."""
    bound = 1 / np.sqrt(size)
    return keras.initializers.RandomUniform(-bound, bound)


@keras.saving.register_keras_serializable("deephits")
class BatchEnsembleDense(layers.Layer):  # type: ignore[misc]
    """One dense layer with ReLU per member, with a shared weight matrix.

    Called on `(batch, size)`, the same for every member, or `(batch, members, size)`;
    returns `(batch, members, units)`; for member m: `relu(((x * r_m) W) * s_m + b_m)`.

    Args:
        units: Size of each member's output.
        members: Number of members.
        signs: Whether input scales are initialised with random signs, so that members differ, as
            in the first layer; else with ones.
    """

    def __init__(self, units: int, members: int, *, signs: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.members, self.signs = units, members, signs

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        size = int(input_shape[-1] or 0)
        scales = RandomSigns() if self.signs else "ones"
        each = (self.members, self.units)
        draw = _like_torch(size)
        self.kernel = self.add_weight(name="kernel", shape=(size, self.units), initializer=draw)
        self.inner = self.add_weight(name="inner", shape=(self.members, size), initializer=scales)
        self.outer = self.add_weight(name="outer", shape=each, initializer="ones")
        self.bias = self.add_weight(name="bias", shape=each, initializer=_like_torch(size))

    def call(self, x: Tensor) -> Tensor:
        """`(batch, members, units)`."""
        if len(x.shape) == 2:
            x = ops.expand_dims(x, 1)
        x = ops.matmul(x * self.inner, self.kernel)
        return ops.relu(x * self.outer + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, members, units)`."""
        return (input_shape[0], self.members, self.units)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {"units": self.units, "members": self.members, "signs": self.signs}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("deephits")
class MemberOutput(layers.Layer):  # type: ignore[misc]
    """One output layer per member, and the average of their predictions.

    Called on `(batch, members, size)`. At inference it returns `(batch, outputs)`: the mean of a
    regression, or the logarithm of the members' mean class scores, which are logits. In training
    it returns `(batch, members * (outputs + beside))`, as the loss is computed per member
    (`training.losses.PerMember`).

    Args:
        outputs: Number of raw outputs.
        classification: Whether the outputs are logits.
        scale: Factor of a regression's outputs, so that they start at the target's scale.
        offset: Offset that is added after scaling.
        beside: Number of each member's further outputs, which only training has.
    """

    def __init__(
        self,
        outputs: int,
        classification: bool,
        scale: float = 1.0,
        offset: float = 0.0,
        beside: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.outputs, self.classification = outputs, classification
        self.scale, self.offset, self.beside = scale, offset, beside

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        _, members, size = input_shape
        self.members = int(members or 0)
        each = (self.members, self.outputs + self.beside)
        shape, draw = (self.members, int(size or 0), each[1]), _like_torch(int(size or 0))
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=draw)
        self.bias = self.add_weight(name="bias", shape=each, initializer="zeros")

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """`(batch, outputs)`, or every member's in training."""
        kernel, bias = self.kernel, self.bias
        if self.beside and not training:
            kernel, bias = kernel[:, :, : self.outputs], bias[:, : self.outputs]
        said = ops.einsum("bms,mso->bmo", x, kernel) + bias
        if not self.classification:
            said = said * self.scale + self.offset
        if training:
            return ops.reshape(said, (-1, self.members * (self.outputs + self.beside)))
        if not self.classification:
            return ops.mean(said, axis=1)
        scores = ops.log_softmax(said, axis=-1)
        return ops.logsumexp(scores, axis=1) - float(np.log(self.members))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, outputs)`."""
        return (input_shape[0], self.outputs)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        own = {
            "outputs": self.outputs,
            "classification": self.classification,
            "scale": self.scale,
            "offset": self.offset,
            "beside": self.beside,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("deephits")
class OrdinalMemberOutput(layers.Layer):  # type: ignore[misc]
    """An ordinal head that all members share, and the mean of their class scores.

    Called on `(batch, members, size)`. Returns `(batch, tiers)` logarithms of the mean class scores
    at inference, and each member's own, `(batch, members * tiers)`, in training.

    Args:
        head: The head, on `(batch, size)` (`model.heads`).
    """

    def __init__(self, head: layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.head = head

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the head's weights."""
        self.members = int(input_shape[1] or 0)
        # Built already when it comes from a saved configuration.
        if not self.head.built:
            self.head.build((None, input_shape[2]))

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Compute the members' class scores, or their mean."""
        each = self.head(ops.reshape(x, (-1, x.shape[2])))
        tiers = each.shape[1]
        if training:
            return ops.reshape(each, (-1, self.members * tiers))
        each = ops.reshape(each, (-1, self.members, tiers))
        return ops.logsumexp(each, axis=1) - float(np.log(self.members))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, tiers)`."""
        shape: tuple[int | None, ...] = self.head.compute_output_shape(input_shape[::2])
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments."""
        return {**super().get_config(), "head": keras.saving.serialize_keras_object(self.head)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OrdinalMemberOutput:
        """The layer of `get_config`'s result."""
        head = keras.saving.deserialize_keras_object(config["head"])
        return cls(**{**config, "head": head})
