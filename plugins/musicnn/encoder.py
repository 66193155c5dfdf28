"""`Musicnn`: what a pretrained tagger hears in a recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.features import Features, FeatureSpec, Field
from deephits_keras.encoders.scaling import Scale
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

from .config import MusicnnConfig
from .shapes import BANDS, FRAMES, POOLED, TAGS
from .tags import NAMES, sounds_like

if TYPE_CHECKING:
    import keras

    from deephits_keras.encoders.explainable import Explainable


class Musicnn(SoundEncoder[MusicnnConfig]):
    """Windows of a recording through a music tagger, and its output through a dense layer: 64-D.

    musicnn (Pons and Serra 2019, *musicnn: Pre-trained convolutional neural networks for music
    audio tagging*): mel spectrograms of 3 s at 16 kHz, filters for timbre and for rhythm, three
    convolutions over time, pooling, and the scores of 50 tags such as `electronic` or `acoustic`.
    It is rebuilt in Keras; from the package `musicnn` only its weights are used (ISC licence):
    `pip install --no-deps musicnn`.

    With `frozen` weights, the default, the network runs outside the graph, and the mean of its
    output over the windows is stored: 200 bytes per track for the tags. Without, spectrograms are
    stored, and the network is trained with the rest of the model, which takes much more memory:
    use few windows and small batches.

    Example:
        >>> [spec.shape for spec in Musicnn().feature_specs]
        [(50,)]
    """

    name = "musicnn"
    modality = "mel"
    version = "1"
    summary = "what a pretrained music tagger hears in the recording -> 64-D (musicnn)"
    parallel = False
    published_weights = "musicnn 0.1.0 (MSD_musicnn, MTT_musicnn), ISC, pypi.org/project/musicnn"
    Config = MusicnnConfig

    def __init__(self, config: MusicnnConfig | None = None) -> None:
        super().__init__(config)
        self._new_model = False
        self._scale = Scale.from_identity(self._output_size)

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of the tags, in the order of the network's outputs."""
        return NAMES[self.config.model]

    @property
    def _output_size(self) -> int:
        return TAGS + (POOLED if self.config.output == "pooled" else 0)

    @property
    def weights_used(self) -> str:
        """See the base class; empty for other weights than the published ones."""
        return self.published_weights if self._has_published_weights() else ""

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """`tags` `(50,)`, with `pooled` `(753,)`, float32; or `patches`, float16, if trained.

        Patches are `(windows, 187, 96)`, log10(10000 x + 1) of mel powers.
        """
        config = self.config
        if not config.frozen:
            what = "mel spectrograms, log10(10000 x + 1)"
            return (FeatureSpec("patches", (config.windows, FRAMES, BANDS), "float16", what),)
        tags = FeatureSpec("tags", (TAGS,), "float32", "scores of the tags, 0-1")
        pooled = FeatureSpec("pooled", (POOLED,), "float32", "features before them, means")
        return (tags, pooled) if config.output == "pooled" else (tags,)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units or self._output_size

    def extract(self, track: Track) -> Features | None:
        """Decode the windows, and apply the network if it is frozen; see the base class.

        Raises:
            ExtractionError: if the recording can't be used.
            UserError: if the weights are missing or can't be used.
        """
        if track.audio is None:
            return None
        import numpy as np

        from .patches import RATE, SAMPLES, patch_of

        waveforms = self.load_windows(track, RATE, SAMPLES, count=self.config.windows)
        patches = np.stack([patch_of(waveform) for waveform in waveforms])
        if not self.config.frozen:
            return {"patches": patches.astype("float16")}
        from .portable import listener

        heard = listener(self.config.model, self.config.weights)(patches).mean(axis=0)
        tags, pooled = heard[:TAGS], heard[TAGS:]
        return (
            {"tags": tags, "pooled": pooled} if self.config.output == "pooled" else {"tags": tags}
        )

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Remarks on the recording, and the strongest tags; or that the weights are others."""
        remarks = super().remarks(track, features)
        if not self._has_published_weights():
            return (*remarks, "the weights are not those that musicnn published")
        if not self.config.frozen:
            return remarks
        return (*remarks, f"sounds like {sounds_like(features['tags'], self.tags)}")

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute the scale of each output; if trained, let `build` load the weights."""
        self._new_model = True
        if not self.config.frozen:
            return
        import numpy as np

        names = [spec.name for spec in self.feature_specs]
        vectors = (np.concatenate([batch[n] for n in names], axis=1) for batch in batches)
        self._scale = Scale.from_moments(vectors, self._output_size)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """The features to the embedding `(batch, units)`.

        Raises:
            UserError: if weights are to be loaded, and are missing or can't be used.
        """
        from .branch import branch
        from .weights import read_weights

        config, weights = self.config, None
        # A saved model has its own weights.
        if self._new_model and not config.frozen:
            weights = read_weights(config.model, config.weights)
        return branch(inputs, config, self._scale, weights)

    # === Explaining and baselines ===

    def explainable(self, track: Track, features: Features, branch: keras.Model) -> Explainable:
        """Attribute to the tags, against their training means; if trained, to the windows."""
        from .explaining import ExplainableTags, ExplainableWindows

        del track
        if not self.config.frozen:
            return ExplainableWindows.from_zeros(self.feature_specs, features, branch)
        return ExplainableTags(self.tags, features, branch)

    def fields(self) -> Mapping[str, Field]:
        """The tags, and the pooled features as a whole."""
        if not self.config.frozen:
            return {}
        tags: dict[str, Field] = {f"tag {name}": ("tags", n) for n, name in enumerate(self.tags)}
        pooled: Field = (("pooled", None),)
        return {**tags, "pooled features": pooled} if self.config.output == "pooled" else tags

    def tabular(self, features: Features) -> Features:
        """The tags by name."""
        if not self.config.frozen:
            return {}
        return {f"tag {n}": v for n, v in zip(self.tags, features["tags"].T, strict=True)}

    # === Configuration ===

    def path_content(self, name: str) -> str:
        """Identity of the weights, which is known without them; `name` is `weights`.

        Raises:
            UserError: if a named folder has none.
        """
        from .weights import identity

        if gone := self.gone_paths():
            raise UserError("\n".join(gone))
        return identity(self.config.model, getattr(self.config, name))

    def _has_published_weights(self) -> bool:
        from .weights import PUBLISHED

        return self.path_content("weights") == PUBLISHED[self.config.model]

    def write_portable(self, folder: Path) -> tuple[str, ...]:
        """Write the frozen network as ONNX, if its weights are on this machine."""
        from . import portable
        from .weights import folder_of

        model, weights = self.config.model, self.config.weights
        if not self.config.frozen or folder_of(model, weights) is None:
            return ()
        portable.write(model, weights, folder)
        return ("weights",)

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """Write untrained weights if the package musicnn isn't installed."""
        from .weights import folder_of, write_untrained

        del tracks
        if folder_of("msd", None) is not None:
            return {}
        write_untrained(folder)
        return {"weights": folder}
