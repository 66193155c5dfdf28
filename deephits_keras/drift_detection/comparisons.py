"""Every comparison of a report, and which of them are drift."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from deephits_keras.drift_detection.modalities import drawn
from deephits_keras.drift_detection.samples import Samples, is_list
from deephits_keras.drift_detection.statistics import (
    FEWEST,
    Result,
    compare_categories,
    compare_counts,
    compare_numbers,
    compare_shares,
    holm,
    tell_apart,
)
from deephits_keras.features.store import FeatureStore
from deephits_keras.features.tables import table_of
from deephits_keras.tasks import Tiers
from deephits_keras.types import FloatArray, IntArray

Of = Literal["values", "unknown", "features", "missing", "popularity"]

FEW_NUMBERS = 20
"""Numbers with at most as many different values are compared as categories."""

LARGE = 10_000
"""Numbers from here on are shown without decimals, with commas between thousands."""

EFFECTS = {
    "Kolmogorov-Smirnov": "largest difference of the distribution functions",
    "chi-squared": "total variation distance of the shares",
    "Fisher": "difference of the shares",
    "classifier": "area under the ROC curve; 0.5 if the samples can't be told apart",
}
"""What `effect` is, by test."""


@dataclass(frozen=True)
class Comparison:
    """One test of a report.

    Attributes:
        name: Field or modality; `popularity` for the tiers.
        of: What is compared: `values` of a field, the share of `unknown` values, `features` of a
            modality, the share of tracks from which one is `missing`, or the tiers of `popularity`.
        test: Name of the test.
        training: Number of training tracks.
        corpus: Number of the corpus's tracks.
        before: What it is among the training tracks, in words.
        now: What it is in the corpus, in words.
        effect: How different they are; see `EFFECTS`.
        p_value: The p-value.
        adjusted: The p-value adjusted for the number of tests.
        drift: Whether `adjusted` is at or below the level.
    """

    name: str
    of: Of
    test: str
    training: int
    corpus: int
    before: str
    now: str
    effect: float
    p_value: float
    adjusted: float = 1.0
    drift: bool = False


def decide(found: Sequence[Comparison], level: float) -> tuple[Comparison, ...]:
    """The comparisons with p-values adjusted for their number; see `statistics.holm`."""
    adjusted = holm([each.p_value for each in found])
    return tuple(
        dataclasses.replace(each, adjusted=value, drift=value <= level)
        for each, value in zip(found, adjusted, strict=True)
    )


def compare_field(
    name: str, first: pd.Series[Any], second: pd.Series[Any]
) -> Iterator[Comparison | str]:
    """Compare a field's values and how many are unknown.

    Args:
        name: The field.
        first: `(n,)` values of the training tracks, missing where unknown.
        second: `(m,)` values of the corpus's tracks.

    Yields:
        Comparisons; a sentence where nothing can be told.
    """
    if min(len(first), len(second)) < FEWEST:
        yield f"{name}: fewer than {FEWEST} tracks, from which nothing can be told"
        return
    unknown = [(int(each.isna().sum()), len(each)) for each in (first, second)]
    if any(count for count, _ in unknown):
        yield _shares(name, "unknown", unknown)
    known = [each.dropna() for each in (first, second)]
    sizes = [len(each) for each in known]
    if min(sizes) < FEWEST:
        yield f"{name}: fewer than {FEWEST} known values, from which nothing can be told"
        return
    if any(each.map(is_list).any() for each in known):
        yield f"{name}: lists aren't compared, only how many are unknown"
        return
    numeric = all(
        pd.api.types.is_numeric_dtype(each) and not pd.api.types.is_bool_dtype(each)
        for each in known
    )
    if numeric:
        numbers = [each.to_numpy(dtype=np.float64) for each in known]
        if len(np.unique(np.concatenate(numbers))) > FEW_NUMBERS:
            words = [_quartiles(each) for each in numbers]
            yield comparison_of(name, "values", compare_numbers(*numbers), sizes, words)
            return
        texts = [[f"{value:g}" for value in each] for each in numbers]
    else:
        texts = [[str(value) for value in each] for each in known]
    result = compare_categories(*texts)
    yield comparison_of(name, "values", result, sizes, _moved(*texts))


def compare_tiers(first: FloatArray, second: FloatArray, tiers: Tiers) -> Comparison | str:
    """Compare how many tracks are in each tier of popularity.

    Args:
        first: `(n,)` popularity of the training tracks, NaN where unknown.
        second: `(m,)` popularity of the corpus's tracks.
        tiers: The tiers.
    """
    known = [each[~np.isnan(each)] for each in (first, second)]
    if min(len(each) for each in known) < FEWEST:
        return "popularity: known of too few tracks, so that nothing can be told of it"
    result = compare_counts(np.stack([tier_counts(each, tiers) for each in known]))
    words = [_quartiles(each) for each in known]
    return comparison_of("popularity", "popularity", result, [len(each) for each in known], words)


def tier_counts(popularity: FloatArray, tiers: Tiers) -> IntArray:
    """`(tiers.count,)` number of tracks in each tier; tracks of unknown popularity in none."""
    known = popularity[~np.isnan(popularity)]
    return np.bincount(tiers.of(known), minlength=tiers.count)


def compare_modality(
    samples: Samples, modality: str, stores: tuple[FeatureStore, FeatureStore]
) -> Iterator[Comparison | str]:
    """Compare a modality's features, and how many tracks lack it.

    Args:
        samples: The tracks.
        modality: The modality.
        stores: Its features in the run's corpus and in the other.

    Yields:
        Comparisons; a sentence where nothing can be told.
    """
    rows = (samples.training, samples.compared)
    if min(len(each) for each in rows) < FEWEST:
        yield f"{modality}: fewer than {FEWEST} tracks, from which nothing can be told"
        return
    pairs = list(zip(stores, rows, strict=True))
    missing = [(int((~store.present[each]).sum()), len(each)) for store, each in pairs]
    if any(count for count, _ in missing):
        yield _shares(modality, "missing", missing)
    chosen = [drawn(store, each) for store, each in pairs]
    sizes = [len(each) for each in chosen]
    if min(sizes) < FEWEST:
        yield f"{modality}: fewer than {FEWEST} tracks have it, from which nothing can be told"
        return
    encoder = samples.run.encoders[modality]
    tables = [table_of(encoder, store, each) for store, each in zip(stores, chosen, strict=True)]
    yield comparison_of(modality, "features", tell_apart(*tables), sizes, ("", ""))


def _shares(name: str, of: Of, counts: Sequence[tuple[int, int]]) -> Comparison:
    words = [f"{count / total:.1%}" for count, total in counts]
    sizes = [total for _, total in counts]
    return comparison_of(name, of, compare_shares(counts[0], counts[1]), sizes, words)


def comparison_of(
    name: str, of: Of, result: Result, sizes: Sequence[int], words: Sequence[str]
) -> Comparison:
    """The comparison of a test's result.

    Args:
        name: Field or modality.
        of: What is compared.
        result: The test's result.
        sizes: Number of tracks of both samples.
        words: What it is in both, in words.
    """
    return Comparison(
        name,
        of,
        result.test,
        training=sizes[0],
        corpus=sizes[1],
        before=words[0],
        now=words[1],
        effect=result.effect,
        p_value=result.p_value,
    )


def _quartiles(values: FloatArray) -> str:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{_shown(median)} ({_shown(low)} to {_shown(high)})"


def _shown(value: float) -> str:
    """Four digits, and large numbers whole instead of with an exponent."""
    return f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.4g}"


def _moved(first: Sequence[str], second: Sequence[str]) -> tuple[str, str]:
    """The value whose share changed most, with its share in both samples."""
    counts = [Counter(each) for each in (first, second)]
    shares = [{name: n / count.total() for name, n in count.items()} for count in counts]
    names = sorted({*shares[0], *shares[1]})
    most = max(names, key=lambda n: abs(shares[1].get(n, 0.0) - shares[0].get(n, 0.0)))
    before, now = (f"{most[:40]}: {each.get(most, 0.0):.1%}" for each in shares)
    return before, now
