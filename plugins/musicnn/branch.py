"""Inside the graph: the frozen network's output, or patches through the network itself."""

from __future__ import annotations

from collections.abc import Mapping

from keras import layers

from deephits_keras.audio.shared import RowsToWindows, WindowsToRows
from deephits_keras.encoders.layers import dense
from deephits_keras.encoders.scaling import Scale
from deephits_keras.types import Array, Tensor

from .config import MusicnnConfig
from .network import Network


def branch(
    inputs: Mapping[str, Tensor],
    config: MusicnnConfig,
    scale: Scale,
    weights: Mapping[str, Array] | None,
) -> Tensor:
    """From features to the embedding.

    Args:
        inputs: The features of `Musicnn.feature_specs`.
        config: The settings.
        scale: Scale of the frozen network's outputs.
        weights: Weights to load into the network in the graph, if there is one.

    Returns:
        `(batch, units)`.
    """
    if "patches" in inputs:
        heard = _trained(inputs["patches"], config, weights)
        scaled = layers.BatchNormalization(name="scaled")(heard)
    else:
        names = ("tags", "pooled") if "pooled" in inputs else ("tags",)
        parts = [inputs[name] for name in names]
        heard = layers.Concatenate(name="heard")(parts) if len(parts) > 1 else parts[0]
        scaled = scale.apply(heard, "scaled")
    if not config.units:
        return scaled
    return dense(config.units, activation="relu", name="embedding")(scaled)


def _trained(patches: Tensor, config: MusicnnConfig, weights: Mapping[str, Array] | None) -> Tensor:
    """The network's output, averaged over the windows: `(batch, outputs)`."""
    network = Network()
    tags, pooled = network(WindowsToRows(name="windows_to_rows")(patches))
    if weights is not None:
        network.load(weights)
    heard = tags
    if config.output == "pooled":
        heard = layers.Concatenate(name="heard")([tags, pooled])
    windows = RowsToWindows(config.windows, name="rows_to_windows")(heard)
    return layers.GlobalAveragePooling1D(name="windows_average")(windows)
