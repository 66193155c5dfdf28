"""Select the recipes that a corpus supports, with their available inputs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deephits_keras.corpus.superstars import SUPERSTARS, require_history
from deephits_keras.corpus.table import Corpus
from deephits_keras.encoders.inputs import fields_read
from deephits_keras.encoders.registry import AnyEncoder, registry
from deephits_keras.errors import DeepHitsError, SettingError, UserError
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.features.store import FeatureStore
from deephits_keras.recipes import Recipe, get_recipe
from deephits_keras.recipes.choices import default_modalities, encoder_words

POST_RELEASE = "post_release"
"""Key of `corpus.json`: columns that are only known after a song's release."""

COPY = 0.98
"""A column with a larger absolute rank correlation with the popularity is reported."""

FEWEST_TO_COMPARE = 20
"""Minimum number of tracks with a value of such a column."""


@dataclass(frozen=True)
class Entrant:
    """A recipe that can be trained on a corpus.

    Attributes:
        recipe: The recipe.
        encoders: Its encoders whose inputs the corpus has, by modality.
        without: Reason for each modality that is left out.
        without_effect: Modalities and encoders whose given settings it doesn't use.
    """

    recipe: Recipe
    encoders: Mapping[str, AnyEncoder]
    without: Mapping[str, str]
    without_effect: Sequence[str] = ()


def enter(
    corpus: Corpus,
    names: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    post_release: Iterable[str] = (),
    jobs: int = -1,
) -> tuple[list[Entrant], dict[str, str]]:
    """Extract the features of each recipe, and select the recipes that can be trained.

    Args:
        corpus: The corpus.
        names: Names of recipes.
        settings: Encoder settings that override the recipes'.
        post_release: Columns that must not be used, in addition to those that the corpus marks.
        jobs: Number of worker processes for extraction.

    Returns:
        The selected recipes; and the reason for each of the others, by name.
    """
    forbidden = {*post_release, *corpus.info.get(POST_RELEASE, ())}
    entrants, left_out = [], {}
    known: dict[str, AnyEncoder | str] = {}
    for name in names:
        recipe = get_recipe(name)
        try:
            entrants.append(_enter(corpus, recipe, settings or {}, forbidden, jobs, known))
        except UserError as error:
            left_out[name] = str(error)
    return entrants, left_out


def _enter(
    corpus: Corpus,
    recipe: Recipe,
    settings: Mapping[str, Mapping[str, Any]],
    forbidden: set[str],
    jobs: int,
    known: dict[str, AnyEncoder | str],
) -> Entrant:
    if SUPERSTARS in recipe.estimator:
        require_history(corpus)
    encoders: dict[str, AnyEncoder] = {}
    without: dict[str, str] = {}
    for modality in _modalities(recipe):
        words = encoder_words(recipe, modality)
        try:
            (encoder,) = corpus_encoders(
                corpus, words, _applied(settings, *_names(words)), recipe.encoders
            ).values()
            _refuse_later_fields(encoder, forbidden)
            identity = f"{encoder.name} {encoder.fingerprint()}"
            if identity not in known:
                known[identity] = _extracted(corpus, encoder, jobs)
            if isinstance(reason := known[identity], str):
                raise UserError(reason)
            encoders[modality] = encoder
        except LaterFieldError:
            raise
        except DeepHitsError as error:
            without[modality] = str(error)
    for modality in recipe.needs:
        if modality in without:
            raise UserError(f"it needs {modality}: {without[modality]}")
    if without and not encoders:
        raise UserError("; ".join(f"{m}: {reason}" for m, reason in without.items()))
    pairs = list(_encoders(recipe))
    used = {owner for pair in pairs for owner in _applied(settings, *pair)}
    unused = sorted(_given(settings) - used) if pairs else []
    return Entrant(recipe, encoders, without, unused)


def copies_of_popularity(corpus: Corpus, entrants: Iterable[Entrant]) -> dict[str, float]:
    """Numeric columns that order the tracks almost as their popularity does.

    Such a column is most often made of the popularity, or of what it is made of. The controls can't
    find it: it doesn't contain the shuffled popularity.

    Args:
        corpus: The corpus.
        entrants: The recipes whose columns are compared.

    Returns:
        Spearman's rho of each, by the column's name.
    """
    read = {name for e in entrants for own in e.encoders.values() for name in fields_read(own)}
    found = {}
    for name in sorted(read & set(corpus.columns)):
        column = corpus.column(name)
        if not pd.api.types.is_numeric_dtype(column):
            # Columns that import doesn't know are texts, which encoders read as numbers.
            column = pd.to_numeric(column.astype("string"), errors="coerce")
        values = column.to_numpy(np.float64, na_value=np.nan)
        pair = pd.DataFrame({"column": values, "truth": corpus.popularity}).dropna()
        if len(pair) < FEWEST_TO_COMPARE or (pair.nunique() < 2).any():
            continue
        rho = float(pair["column"].corr(pair["truth"], method="spearman"))
        if abs(rho) > COPY:
            found[name] = rho
    return found


def _modalities(recipe: Recipe) -> Iterable[str]:
    return recipe.modalities or default_modalities(recipe)


def _given(settings: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return {owner for owner, values in settings.items() if values}


def _encoders(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Each modality of a recipe with its encoder, if there is one."""
    for modality in _modalities(recipe):
        with contextlib.suppress(UserError):
            yield _names(encoder_words(recipe, modality))


def _names(words: str) -> tuple[str, str]:
    """Modality and encoder of `"meta=numeric"` or `"meta"`."""
    modality, _, encoder = words.partition("=")
    return modality, encoder or registry().for_modality(modality).name


def _applied(
    settings: Mapping[str, Mapping[str, Any]], modality: str, encoder: str
) -> dict[str, Mapping[str, Any]]:
    """The given settings that an encoder has, by modality or encoder.

    What is given to a modality is for the encoders of all recipes, some of which lack it.
    """
    known = {field.name for field in dataclasses.fields(registry().load(encoder).Config)}
    shared = {k: v for k, v in settings.get(modality, {}).items() if k in known}
    own = settings.get(encoder, {})
    return {name: values for name, values in ((modality, shared), (encoder, own)) if values}


def check_settings(names: Sequence[str], settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Check that each of the settings can be used by an encoder of one of the recipes.

    Args:
        names: Names of recipes.
        settings: Encoder settings, by modality or encoder.

    Raises:
        UserError: if one isn't of such an encoder.
        SettingError: if no such encoder allows its value.
    """
    given = _given(settings)
    users = {pair for recipe in map(get_recipe, names) if given for pair in _encoders(recipe)}
    if unused := given - {owner for pair in users for owner in pair}:
        raise UserError(
            f"The settings of {', '.join(sorted(unused))} have no effect: no recipe of this "
            "comparison uses it"
        )
    for owner in sorted(given):
        refusals = []
        for encoder in sorted({encoder for m, encoder in users if owner in (m, encoder)}):
            try:
                registry().load(encoder).from_config(settings[owner])
            except SettingError as error:
                refusals.append(error)
            else:
                break
        else:
            # A modality's other encoders may have no such setting.
            raise next((e for e in refusals if e.setting in settings[owner]), refusals[0])


class LaterFieldError(UserError):
    """An encoder reads columns that are only known after the release."""


def _refuse_later_fields(encoder: AnyEncoder, forbidden: set[str]) -> None:
    if late := sorted(fields_read(encoder) & forbidden):
        raise LaterFieldError(
            f"{encoder.name} reads {', '.join(late)}, which is only known after a song's release"
        )


def _extracted(corpus: Corpus, encoder: AnyEncoder, jobs: int) -> AnyEncoder | str:
    """The encoder with extracted features, or the reason why it can't be used."""
    try:
        extract_features(corpus, encoder, jobs=jobs)
        present = FeatureStore.open(corpus, encoder).present
    except DeepHitsError as error:
        return str(error)
    return encoder if present.any() else f"no track has what {encoder.name} reads"
