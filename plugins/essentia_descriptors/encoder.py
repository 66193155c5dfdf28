"""`EssentiaDescriptors`: Spotify-style descriptors, measured in the recording."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.audio.sound import SoundEncoder
from deephits_keras.encoders.contract import EncoderConfig, setting
from deephits_keras.encoders.features import ExtractionError, Features, FeatureSpec
from deephits_keras.tracks import Track

if TYPE_CHECKING:
    import numpy as np

    from .mapping import Mapping as DescriptorMapping


@dataclass(frozen=True)
class EssentiaDescriptorsConfig(EncoderConfig):
    """Settings of `EssentiaDescriptors`."""

    calibration: str | None = setting(
        None,
        "calibration.json of `deephits essentia fit`; none: the default mapping",
        path=True,
    )
    models: str | None = setting(
        None,
        "folder of Essentia's TensorFlow models (.pb and .json); none: don't use them",
        changes_features=True,
        path=True,
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


class EssentiaDescriptors(SoundEncoder[EssentiaDescriptorsConfig]):
    """Spotify-style descriptors of any recording, measured with Essentia (paper, Section 2.1).

    Outside the graph: statistics of Essentia's MusicExtractor (`measure.STATISTICS`).
    Needs the extra `essentia`, which is under the AGPL-3.0.

    Inside: a weight matrix maps them to danceability, energy, loudness, tempo, key, mode,
    acousticness, instrumentalness, valence and duration; then the structured numeric branch. The
    matrix is the documented default, or was fitted by `deephits essentia fit` and given as
    `calibration`, which isn't part of the features, so another one needs no new extraction.
    Speechiness and liveness need a calibration that includes them. 22-64-64 by default: 5,632
    trainable parameters.

    With `models`, predictions of Essentia's TensorFlow models are measured as well
    (`models.HEADS`), and used for their descriptors unless a calibration includes these.

    Example:
        >>> encoder = EssentiaDescriptors()
        >>> encoder.describe(track, encoder.extract(track))["tempo"]  # doctest: +SKIP
        120.0
    """

    name = "essentia_descriptors"
    modality = "essentia"
    version = "2"
    summary = "descriptors measured with Essentia (AGPL-3.0) -> 22-D vector -> 64-D"
    Config = EssentiaDescriptorsConfig

    def __init__(self, config: EssentiaDescriptorsConfig | None = None) -> None:
        super().__init__(config)
        self._moments: tuple[list[float], list[float]] | None = None

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `statistics`: `(statistics,)` float32, in Essentia's units."""
        from .measure import STATISTICS
        from .models import MODEL_STATISTICS

        names = (*STATISTICS, *(MODEL_STATISTICS if self.config.models else ()))
        what = "statistics of Essentia's MusicExtractor: " + ", ".join(names)
        return (FeatureSpec("statistics", (len(names),), "float32", what),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    @cached_property
    def default_mapping(self) -> DescriptorMapping:
        """The mapping from statistics to descriptors without a calibration.

        Raises:
            UserError: if the models are missing or can't be used.
        """
        from .mapping import default_mapping

        return default_mapping(self._models)

    @cached_property
    def mapping(self) -> DescriptorMapping:
        """The mapping from statistics to descriptors.

        Raises:
            UserError: if the calibration or the models are missing or can't be used.
        """
        from .mapping import read_mapping

        if self.config.calibration is None:
            return self.default_mapping
        return read_mapping(Path(self.config.calibration).expanduser(), self._models)

    @property
    def _models(self) -> tuple[str, ...] | None:
        from .models import find_models

        folder = self._model_folder
        return find_models(folder).statistics if folder else None

    @property
    def _model_folder(self) -> Path | None:
        return Path(self.config.models).expanduser() if self.config.models else None

    def extract(self, track: Track) -> Features | None:
        """Measure one recording; see the base class."""
        if track.audio is None:
            return None
        import numpy as np

        from deephits_keras.audio.errors import AudioError

        from .measure import measure
        from .models import load_models

        models = load_models(self._model_folder) if self._model_folder else None
        try:
            parts = [measure(track.audio)]
            if models is not None:
                parts.append(models.predict(track.audio))
            return {"statistics": np.concatenate(parts)}
        except AudioError as error:
            raise ExtractionError(track.id, str(error)) from error

    def describe(self, track: Track, features: Features) -> dict[str, float]:
        """The descriptors with Spotify's names and units."""
        del track
        mapping = self.mapping
        values = mapping.apply(features["statistics"][None])[0].tolist()
        pairs = zip(mapping.descriptors, values, strict=True)
        return {name: value for name, value in pairs if not math.isnan(value)}

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """Descriptors that can't be measured in too short audio, or without music."""
        known = self.describe(track, features)
        return tuple(name for name in self.mapping.descriptors if name not in known)

    def remarks(self, track: Track, features: Features) -> tuple[str, ...]:
        """Remarks on uncalibrated descriptors, and on the recording."""
        by_model = self.mapping.by_model
        plain = [name for name in self.mapping.uncalibrated if name not in by_model]
        named = [f"{descriptor} ({model})" for descriptor, model in by_model.items()]
        lists = {"see `deephits essentia fit`": plain, "by Essentia's models": named}
        return super().remarks(track, features) + tuple(
            f"uncalibrated, {how}: {', '.join(names)}" for how, names in lists.items() if names
        )

    def path_content(self, name: str) -> str | None:
        """The hash of the used models."""
        from .models import find_models

        folder = self._model_folder
        if name != "models" or folder is None or not folder.is_dir():
            return super().path_content(name)
        return f"sha256:{find_models(folder).fingerprint()}"

    def fingerprint_config(self) -> dict[str, Any]:
        """Includes Essentia's version."""
        from .measure import essentia_version

        return {**super().fingerprint_config(), "essentia": essentia_version()}

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute each descriptor's mean and deviation over the tracks with a value."""
        from deephits_keras.encoders.moments import Moments

        mapping = self.mapping
        values = (mapping.apply(batch["statistics"]) for batch in batches)
        moments = Moments.from_batches(values, len(mapping.descriptors))
        self._moments = moments.mean.tolist(), moments.deviation.tolist()

    def tabular(self, features: Features) -> dict[str, np.ndarray[Any, Any]]:
        """The descriptors by name; `key` as thirteen indicators, as in the graph."""
        from deephits_keras.fields.columns import named_columns

        mapping = self.mapping
        return named_columns(mapping.apply(features["statistics"]), mapping.descriptors)

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, statistics)` to `(batch, units)`."""
        from .branch import descriptor_branch

        mapping = self.mapping
        count = len(mapping.descriptors)
        mean, deviation = self._moments or ([0.0] * count, [1.0] * count)
        return descriptor_branch(
            inputs["statistics"],
            units=self.config.units,
            fields=mapping.descriptors,
            weights=mapping.weights.tolist(),
            bias=mapping.bias.tolist(),
            ranges=mapping.ranges.tolist(),
            mean=mean,
            deviation=deviation,
        )
