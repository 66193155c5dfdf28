"""Explanation of a prediction by integrated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from keras import ops

from deephits_keras.encoders.explainable import Explainable, Part
from deephits_keras.encoders.features import Features, input_name
from deephits_keras.encoders.inputs import as_declared, inputs_of
from deephits_keras.errors import UserError
from deephits_keras.explanation.integrated import Attribution, integrated_gradients
from deephits_keras.explanation.together import ExplainableTogether
from deephits_keras.features.outcomes import blamed
from deephits_keras.model.anatomy import Anatomy, score_of
from deephits_keras.model.ensemble import member_branches
from deephits_keras.prediction.extraction import ExtractedTrack
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.report.style import styled
from deephits_keras.runs.run import Run
from deephits_keras.tracks import Track
from deephits_keras.types import Tensor
from deephits_keras.utils.records import to_plain

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ModalityExplanation:
    """Contribution of one modality to a score.

    Attributes:
        modality: The modality.
        encoder: Its encoder's name.
        reference: Description of the baseline.
        parts: Its named parts in the encoder's order; their contributions add up to the modality's.
        picture: The encoder's drawing of them, or None.
        unattributed: Features that are held fixed and have no part: integers.
    """

    modality: str
    encoder: str
    reference: str
    parts: tuple[Part, ...]
    picture: Figure | Markup | None
    unattributed: tuple[str, ...] = ()

    @property
    def contribution(self) -> float:
        """Sum of the parts' contributions."""
        return sum(part.contribution for part in self.parts)


@dataclass(frozen=True)
class Explanation:
    """Explanation of a track's score as contributions that add up.

    Attributes:
        prediction: The prediction for the track.
        target: The explained quantity: `score of tier 25-65` (0-1) or `popularity` (0-100).
        attribution: The contributions by integrated gradients, with both scores.
        modalities: The track's modalities.
        synthetic: Whether the run was trained on a synthetic corpus.
        notes: Notes on the input.
    """

    prediction: TrackPrediction
    target: str
    attribution: Attribution
    modalities: tuple[ModalityExplanation, ...]
    synthetic: bool
    notes: tuple[str, ...] = ()

    @property
    def baseline_words(self) -> str:
        """Description of the input whose score is `attribution.baseline_score`."""
        if any(modality.unattributed for modality in self.modalities):
            return "with every attributed input at its baseline"
        return "with every input at its baseline"

    def to_frame(self) -> pd.DataFrame:
        """One row per part: `modality`, `part`, `value` (as text) and `contribution`."""
        import pandas as pd

        rows = [
            (m.modality, part.name, part.value, part.contribution)
            for m in self.modalities
            for part in m.parts
        ]
        return pd.DataFrame(rows, columns=["modality", "part", "value", "contribution"])

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON types, without pictures and single values."""
        # By hand: the file has no pictures, and other names than the fields.
        return {
            "prediction": to_plain(self.prediction),
            "synthetic": self.synthetic,
            "target": self.target,
            "score": self.attribution.score,
            "baseline_score": self.attribution.baseline_score,
            "completeness_error": self.attribution.error,
            "notes": list(self.notes),
            "modalities": {
                m.modality: {
                    "encoder": m.encoder,
                    "baseline": m.reference,
                    "contribution": m.contribution,
                    "not_attributed": list(m.unattributed),
                    "parts": [to_plain(part) for part in m.parts],
                }
                for m in self.modalities
            },
        }


class TrackExplainer:
    """Explains predictions of a run by integrated gradients.

    Args:
        predictor: The run.

    Example:
        >>> explainer = TrackExplainer(Predictor(Run(Path("run"))))  # doctest: +SKIP
        >>> explanation = explainer.explain(Track("song", audio=Path("song.mp3")))
        ... # doctest: +SKIP
        >>> {m.modality: round(m.contribution, 3) for m in explanation.modalities}
        ... # doctest: +SKIP
        {'mel': 0.12}
    """

    def __init__(self, predictor: Predictor) -> None:
        if not isinstance(predictor.run, Run):
            raise UserError("An exported model can't be explained: explain the run it came from")
        self.predictor, self.run = predictor, predictor.run

    @cached_property
    def _anatomy(self) -> Anatomy:
        return Anatomy(self.run.model, list(self.predictor.encoders))

    def explain(self, track: Track) -> Explanation:
        """Attribute the predicted tier's score, or the popularity of a regression.

        All of the track's modalities are interpolated together, from their baselines to the
        track's input; missing modalities stay missing.

        Raises:
            UserError: if no input of the track can be used.
            ExtractionError: if an encoder raises an unexpected error.
        """
        (extracted,) = self.predictor.extractor([track])
        return self.explain_extracted(extracted)

    def explain_extracted(self, extracted: ExtractedTrack) -> Explanation:
        """As `explain`, for a track whose features are extracted.

        Raises:
            UserError: as in `explain`.
            ExtractionError: as in `explain`.
        """
        track, features = extracted.measured.track, extracted.features
        (prediction,) = self.predictor.predict_extracted([extracted])
        if prediction.tier is None:
            reasons = "; ".join(prediction.warnings)
            raise UserError(f"track {track.id} can't be explained: {reasons}")
        explainables = {
            modality: self._explainable(modality, track, own) for modality, own in features.items()
        }
        if not any(explainable.point for explainable in explainables.values()):
            raise UserError(
                f"track {track.id} has no input with a gradient that the score could be "
                "attributed to"
            )
        attribution = self._attribute(track, explainables, prediction.tier)
        run = self.run
        regression = run.task.kind == "regression"
        return Explanation(
            prediction=prediction,
            target="popularity" if regression else f"score of tier {prediction.tier_label}",
            attribution=attribution,
            modalities=tuple(
                self._describe(modality, track, explainable, attribution)
                for modality, explainable in explainables.items()
            ),
            synthetic=run.synthetic,
        )

    def _explainable(self, modality: str, track: Track, features: Features) -> Explainable:
        encoder = self.predictor.encoders[modality]
        branches = member_branches(self._anatomy.branch(modality))
        seen = as_declared(track, inputs_of(encoder))
        with blamed(encoder, track):
            members = [encoder.explainable(seen, features, branch) for branch in branches]
        return members[0] if len(members) == 1 else ExplainableTogether(members)

    def _attribute(
        self, track: Track, explainables: Mapping[str, Explainable], tier: int
    ) -> Attribution:
        def score(values: Mapping[str, Tensor]) -> Tensor:
            rows = ops.shape(next(iter(values.values())))[0]
            embeddings, present = {}, {}
            for modality in self._anatomy.modalities:
                explainable = explainables.get(modality)
                if explainable is None:
                    size = self._anatomy.embedding_size(modality)
                    embeddings[modality] = ops.zeros((rows, size))
                    present[modality] = ops.zeros((rows, 1))
                    continue
                own = {n: values[input_name(modality, n)] for n in explainable.point}
                with blamed(self.predictor.encoders[modality], track):
                    embedding = explainable.embed(own)
                embeddings[modality] = ops.broadcast_to(embedding, (rows, embedding.shape[-1]))
                present[modality] = ops.ones((rows, 1))
            outputs = self._anatomy.outputs(embeddings, present)
            return score_of(self.run.task, outputs, tier)

        return integrated_gradients(
            score,
            {input_name(m, n): a for m, e in explainables.items() for n, a in e.point.items()},
            {input_name(m, n): a for m, e in explainables.items() for n, a in e.baseline.items()},
        )

    def _describe(
        self, modality: str, track: Track, explainable: Explainable, attribution: Attribution
    ) -> ModalityExplanation:
        encoder = self.predictor.encoders[modality]
        own: Features = {n: attribution.values[input_name(modality, n)] for n in explainable.point}
        with blamed(encoder, track):
            parts = tuple(explainable.parts(own))
            picture = styled(explainable.draw)(own)
        return ModalityExplanation(
            modality=modality,
            encoder=encoder.name,
            reference=explainable.reference,
            parts=parts,
            picture=picture,
            unattributed=tuple(explainable.unattributed),
        )
