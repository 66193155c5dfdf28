"""Splits: rows for training and held-out rows (paper, Section 2.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from deephits_keras.choices import SPLITS
from deephits_keras.corpus.artists import ArtistKeys, possible_names
from deephits_keras.corpus.groups import NO_DATES, labels, release_years
from deephits_keras.corpus.table import Corpus
from deephits_keras.corpus.versions import song_groups, title_column
from deephits_keras.errors import UserError
from deephits_keras.tasks import TIERS, Tiers
from deephits_keras.types import FloatArray, IntArray
from deephits_keras.utils.files import replacing
from deephits_keras.utils.suggestions import suggestion

FEWEST = 2
"""Minimum number of tracks for a training and a validation part."""

FEWEST_IN_TIER = 3
"""Tracks of a tier that can be on both sides of a split."""

PARTS = ("train", "validation", "test")


def reported_part(parts: Container[str]) -> str:
    """The held-out part whose metrics are reported: `test` if there is one, else `validation`."""
    return "test" if "test" in parts else "validation"


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a corpus in parts.

    Attributes:
        kind: Kind of the split.
        seed: Random seed.
        parts: Ascending int64 rows of `train`, `validation` and, if there is one, `test`.
        settings: Arguments that only this kind has: `fold`, `origin`, `by`, ...
        weights: `(train,)` float32, how much each training track counts; None for equally.
    """

    kind: str
    seed: int
    parts: Mapping[str, IntArray]
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: FloatArray | None = None

    def to_parquet(self, path: Path, corpus: Corpus) -> None:
        """Write one row per track (`row`, `track_id`, `part`), with kind and seed as metadata.

        If training tracks are weighted, `weight` as well, NaN for others.
        """
        ids = corpus.track_ids
        lines = pd.DataFrame(
            [(row, ids[row], part) for part, rows in self.parts.items() for row in rows.tolist()],
            columns=["row", "track_id", "part"],
        )
        if self.weights is not None:
            own = dict(zip(self.parts["train"].tolist(), self.weights.tolist(), strict=True))
            lines["weight"] = lines["row"].map(own).astype("float32")
        lines.attrs = {"kind": self.kind, "seed": self.seed}
        with replacing(path) as temporary:
            lines.sort_values("row").to_parquet(temporary, index=False)

    @classmethod
    def from_parquet(cls, path: Path, tracks: int | None = None) -> Self:
        """Read what `to_parquet` wrote.

        Args:
            path: The file.
            tracks: Number of tracks of the corpus, which limits its rows.

        Raises:
            UserError: if it is missing, isn't a split, or has rows that the corpus lacks.
        """
        try:
            lines = pd.read_parquet(path)
            parts = {
                part: lines.loc[lines["part"] == part, "row"].to_numpy(np.int64)
                for part in PARTS
                if (lines["part"] == part).any()
            }
            weights = None
            if "weight" in lines:
                weights = lines.loc[lines["part"] == "train", "weight"].to_numpy(np.float32)
                if not (np.isfinite(weights) & (weights >= 0)).all():
                    raise ValueError("a weight isn't a number from 0")
            split = cls(lines.attrs["kind"], lines.attrs["seed"], parts, weights=weights)
        except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
            raise UserError(f"{path} is not a split: {error}") from error
        rows = np.concatenate([np.empty(0, np.int64), *parts.values()])
        if tracks is not None and rows.size and not (rows.min() >= 0 and rows.max() < tracks):
            raise UserError(f"{path} is not a split of a corpus of {tracks} tracks")
        return split


ONLY_FOR = {
    "fold": "kfold",
    "folds": "kfold",
    "origin": "rolling",
    "horizon": "rolling",
    "since": "rolling",
    "rehearsal": "rolling",
    "by": "group",
    "held_out": "group",
}
"""The kind of split that has each argument of `make_split`; with another one it is an error."""


LATER = ("since", "rehearsal")
"""Arguments that a split records if they are given: earlier versions had none."""


def make_split(
    kind: str,
    corpus: Corpus,
    *,
    seed: int = 0,
    validation: float = 0.2,
    test: float = 0.0,
    fold: int | None = None,
    folds: int = 5,
    tiers: Tiers = TIERS["tiers-10"],
    origin: int | None = None,
    horizon: int = 5,
    since: int | None = None,
    rehearsal: float | None = None,
    by: str | None = None,
    held_out: str | None = None,
) -> Split:
    """Draw a split.

    Args:
        kind: `random` (the paper's), `stratified` (by tier), `artist` (no artist in two parts),
            `song` (no two versions of a song in two parts: `corpus.versions`),
            `date` (the newest tracks are held out; an unknown date counts as the oldest, and too
            few known ones are an error), `kfold`,
            `rolling` (songs before `origin` are for training, the newest of them the validation
            part, and the `horizon` years from `origin` the test part; later tracks and those
            without a date are in no part), or `group` (the tracks whose column `by` is
            `held_out` are the test part: leave one language, genre or market out).
        corpus: The corpus.
        seed: Random seed; equal seeds give equal splits.
        validation: Fraction of validation tracks; not used by `kfold`.
        test: Fraction of test tracks; with `kfold` they are equal for all folds.
        fold: For `kfold`, index of the validation fold, from 0.
        folds: For `kfold`, number of folds.
        tiers: For `stratified`, the tiers whose proportions are kept.
        origin: For `rolling`, the first test year.
        horizon: For `rolling`, number of test years.
        since: For `rolling`, first year of the training songs; all before `origin` by default.
        rehearsal: With `since`, fraction of the older songs that is kept for training, drawn with
            the seed; none by default.
        by: For `group`, the column.
        held_out: For `group`, the value of the test part.

    Raises:
        UserError: if the kind is unknown, an argument is for another kind, no training tracks are
            left, or the corpus lacks columns for the kind.
    """
    if kind not in SPLITS:
        raise UserError(f"There is no split named {kind!r}. Splits: {', '.join(SPLITS)}")
    given: dict[str, Any] = {"fold": fold, "origin": origin, "by": by, "held_out": held_out}
    # Of these nobody can tell a default from the same value given.
    given |= {"folds": None if folds == 5 else folds, "horizon": None if horizon == 5 else horizon}
    given |= {"since": since, "rehearsal": rehearsal}
    for name, value in given.items():
        if value is not None and kind != ONLY_FOR[name]:
            option = f"--{name.replace('_', '-')}"
            raise UserError(
                f"{option} is for --split {ONLY_FOR[name]}, and has no effect on {kind}. "
                f"Received: {value}"
            )
    values = {**given, "folds": folds, "horizon": horizon}
    own = {name: values[name] for name, of_kind in ONLY_FOR.items() if of_kind == kind}
    own = {name: value for name, value in own.items() if name not in LATER or value is not None}
    if not (0 < validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UserError(
            "--validation must be above 0, and with --test it must leave tracks for training. "
            f"Received: {validation} and {test}"
        )
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed must be from 0 to {2**32 - 1}. Received: {seed}")
    rows: IntArray = np.arange(len(corpus))
    if kind == "kfold":
        if fold is None or not 0 <= fold < folds:
            raise UserError(f"kfold needs --fold from 0 to {folds - 1}. Received: {fold}")
        if not 2 <= folds <= len(rows):
            raise UserError(f"--folds must be from 2 to {len(rows)}. Received: {folds}")
    parts: dict[str, IntArray] = {}
    if kind in ("rolling", "group"):
        if test:
            raise UserError(f"--split {kind} defines its own test tracks: remove --test")
        if kind == "rolling":
            rows, parts["test"] = _around_origin(corpus, origin, horizon)
            rows = _recent(corpus, rows, since, rehearsal or 0.0, seed)
        else:
            rows, parts["test"] = _without_group(corpus, by, held_out)
        draw = KINDS[kind](corpus, tiers, folds, 0)
        rows, parts["validation"] = draw(rows, validation, seed)
        return Split(kind, seed, {"train": rows, **parts}, own)
    try:
        draw = KINDS[kind](corpus, tiers, folds, fold or 0)
        if test:
            first_draw = _random(corpus, tiers, folds, 0) if kind == "kfold" else draw
            rows, parts["test"] = first_draw(rows, test, seed)
        rows, parts["validation"] = draw(rows, validation / (1 - test), seed)
    except ValueError as error:
        raise UserError(
            f"{len(corpus)} tracks are too few for this split ({kind}), or it leaves a part "
            f"without any: {error}"
        ) from error
    return Split(kind, seed, {"train": rows, **parts}, own)


# What scikit-learn and SciPy draw with is imported where it is drawn: whoever only reads tracks, as
# extraction's workers do, starts most of a second sooner.
Draw = Callable[[IntArray, float, int], tuple[IntArray, IntArray]]


def _sklearn(splitter: Any, rows: IntArray, *labels: Any) -> tuple[IntArray, IntArray]:
    kept, held_out = next(splitter.split(rows, *labels))
    return np.sort(rows[kept]), np.sort(rows[held_out])


def _random(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    from sklearn.model_selection import ShuffleSplit

    del corpus, tiers, folds, fold
    return lambda rows, share, seed: _sklearn(
        ShuffleSplit(1, test_size=share, random_state=seed), rows
    )


def _stratified(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    from sklearn.model_selection import StratifiedShuffleSplit

    del folds, fold
    labels = tiers.of(corpus.popularity)
    # A tier of one or two tracks can't be in both parts: merge it with its neighbour.
    counts = np.bincount(labels, minlength=tiers.count)
    populated = np.flatnonzero(counts >= FEWEST_IN_TIER)
    if not len(populated):
        raise UserError(
            f"--split stratified needs a tier with {FEWEST_IN_TIER} tracks or more; the "
            f"{len(labels)} tracks of this corpus have {counts.max(initial=0)} per tier at most. "
            "Import more tracks, use fewer tiers (--task tiers-3) or --split random"
        )
    nearest = populated[np.abs(populated[None] - np.arange(tiers.count)[:, None]).argmin(axis=1)]
    strata = nearest[labels]

    def shares(rows: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
        splitter = StratifiedShuffleSplit(1, test_size=share, random_state=seed)
        try:
            return _sklearn(splitter, rows, strata[rows])
        except ValueError as error:
            raise ValueError(
                f"{len(rows)} tracks are too few to put a share of {share:g} of each of "
                f"{len(np.unique(strata[rows]))} tiers aside. Import more tracks, hold out a "
                "larger share, use fewer tiers (--task tiers-3) or --split random"
            ) from error

    return shares


def _artist(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    del tiers, folds, fold
    return _whole_groups(artist_groups(corpus), "tracks that share artists")


def _song(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    del tiers, folds, fold
    groups = song_groups(title_column(corpus), track_artists(corpus))
    return _whole_groups(groups, "versions of one song")


def _whole_groups(groups: IntArray, what: str) -> Draw:
    # Not scikit-learn's GroupShuffleSplit: it holds out a fraction of the groups, and may hold
    # out the large group that collaborations can form.
    def whole_groups(rows: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
        members, sizes = np.unique(groups[rows], return_counts=True)
        room = round(share * len(rows))
        held_out = []
        for group in np.random.default_rng(seed).permutation(len(members)):
            if sizes[group] <= room:
                held_out.append(members[group])
                room -= sizes[group]
        out = np.isin(groups[rows], held_out)
        if not out.any():
            raise ValueError(
                f"the smallest group of {what} has {sizes.min()} of {len(rows)} tracks"
            )
        return rows[~out], rows[out]

    return whole_groups


def _date(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    del tiers, folds, fold
    name = next((n for n in ("release_date", "release_year") if n in corpus.columns), None)
    if name is None:
        raise UserError(NO_DATES)
    dates = corpus.column(name).astype("string").fillna("")
    undated = dates.eq("").to_numpy()

    def newest(rows: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
        # The seed only determines the order of tracks of one date.
        shuffled = np.random.default_rng(seed).permutation(rows)
        order = shuffled[np.argsort(dates.to_numpy()[shuffled].astype(str), kind="stable")]
        cut = len(rows) - max(1, round(share * len(rows)))
        if undated[order[cut:]].any():
            raise UserError(
                f"{undated.sum():,} of {len(undated):,} tracks have no {name}: too few have one to "
                "hold the newest out"
            )
        return np.sort(order[:cut]), np.sort(order[cut:])

    return newest


def _around_origin(corpus: Corpus, origin: int | None, horizon: int) -> tuple[IntArray, IntArray]:
    """Rows before an origin in time, and rows of the following years."""
    if origin is None:
        raise UserError("--split rolling needs --origin, the first test year")
    if horizon < 1:
        raise UserError(f"--horizon is one or more years. Received: {horizon}")
    years = release_years(corpus)
    before = np.flatnonzero(years < origin)
    after = np.flatnonzero((years >= origin) & (years < origin + horizon))
    if len(before) < FEWEST or not len(after):
        raise UserError(
            f"This corpus has {len(before)} tracks before {origin} and {len(after)} in the "
            f"{horizon} years from then on: choose another --origin"
        )
    return before, after


def _recent(
    corpus: Corpus, rows: IntArray, since: int | None, rehearsal: float, seed: int
) -> IntArray:
    """Rows of a year and later, and a fraction of the earlier ones."""
    if not 0 <= rehearsal < 1:
        raise UserError(
            f"--rehearsal is a fraction from 0 to 1 of the songs before --since. Received: "
            f"{rehearsal:g}"
        )
    if since is None:
        if rehearsal:
            raise UserError(
                "--rehearsal is a fraction of the songs before --since: give that year too"
            )
        return rows
    late = release_years(corpus)[rows] >= since
    older = np.random.default_rng(seed).permutation(rows[~late])
    kept = np.sort(np.concatenate([rows[late], older[: round(rehearsal * len(older))]]))
    if len(kept) < FEWEST or not late.any():
        raise UserError(
            f"From {since} to the origin this corpus has {late.sum()} tracks, and {len(kept)} with "
            "those of --rehearsal: choose an earlier --since"
        )
    return kept


def _without_group(
    corpus: Corpus, by: str | None, held_out: str | None
) -> tuple[IntArray, IntArray]:
    """Rows without and with the held-out value of a column."""
    if by is None:
        raise UserError("--split group needs --by, the column whose value is held out")
    told = labels(corpus, by)
    sizes = told.value_counts()
    if held_out is None or held_out not in sizes:
        largest = ", ".join(f"{value} ({count})" for value, count in sizes.head(10).items())
        asked = (
            f"--split group needs --held-out, a value of {by}"
            if held_out is None
            else f"No track has {held_out!r} as {by}{suggestion(held_out, map(str, sizes.index))}"
        )
        raise UserError(f"{asked}. Most frequent: {largest}")
    inside = np.unique(told.index[(told == held_out).to_numpy()])
    rest = np.setdiff1d(np.arange(len(corpus)), inside)
    if len(rest) < FEWEST:
        raise UserError(f"{by} is {held_out} for {len(inside)} tracks: too few are left to train")
    return rest, np.asarray(inside)


def _kfold(corpus: Corpus, tiers: Tiers, folds: int, fold: int) -> Draw:
    from sklearn.model_selection import KFold

    del corpus, tiers

    def chosen(rows: IntArray, share: float, seed: int) -> tuple[IntArray, IntArray]:
        del share
        splits = list(KFold(folds, shuffle=True, random_state=seed).split(rows))
        return np.sort(rows[splits[fold][0]]), np.sort(rows[splits[fold][1]])

    return chosen


KINDS: dict[str, Callable[[Corpus, Tiers, int, int], Draw]] = {
    "random": _random,
    "stratified": _stratified,
    "artist": _artist,
    "song": _song,
    "date": _date,
    "kfold": _kfold,
    "rolling": _date,
    "group": _random,
}
"""Functions by kind; for `rolling` and `group`, of the validation part only."""


ARTIST_COLUMNS = ("artist_keys", "artist_ids", "artist_id", "artists", "artist_name")
"""Columns with artists, in order of preference."""


def track_artists(corpus: Corpus) -> pd.Series[Any]:
    """The keys of each track's artists, in row order; see `corpus.artists`.

    Raises:
        UserError: if the corpus has none of `ARTIST_COLUMNS`.
    """
    values = _artist_column(corpus)
    if values.name == ARTIST_COLUMNS[0]:
        return values
    keys = ArtistKeys.from_values(values)
    return values.map(keys.of)


def _artist_column(corpus: Corpus) -> pd.Series[Any]:
    name = next((n for n in ARTIST_COLUMNS if n in corpus.columns), "")
    if not name:
        raise UserError(
            "This corpus has no artists: it has none of the columns "
            f"{', '.join(ARTIST_COLUMNS[:-1])} and {ARTIST_COLUMNS[-1]}"
        )
    return corpus.column(name).reset_index(drop=True)


def artist_column(corpus: Corpus) -> pd.Series[Any]:
    """The artists as the table names them, in row order; keys or ids only if it has no names.

    Raises:
        UserError: if the corpus names no artists.
    """
    column = next((n for n in ("artist_name", "artists") if n in corpus.columns), None)
    return corpus.column(column).reset_index(drop=True) if column else _artist_column(corpus)


def artist_groups(corpus: Corpus) -> IntArray:
    """A group number per track: tracks that share an artist, directly or over others, are together.

    Collaborations can join a large part of a corpus into one group. A group larger than the
    held-out part stays in training, so the held-out tracks are from other artists. A track without
    artists is its own group.

    Raises:
        UserError: if the corpus has no artists, or no track names one.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    artists = track_artists(corpus).explode().dropna()
    if artists.empty:
        raise UserError("No track of this corpus names an artist")
    codes, known = pd.factorize(artists)
    tracks = len(corpus)
    shape = (tracks + len(known),) * 2
    edges = (np.ones(len(codes)), (artists.index.to_numpy(), tracks + codes))
    _, groups = connected_components(coo_array(edges, shape=shape), directed=False)
    return np.asarray(groups[:tracks])


def not_placed_apart(corpus: Corpus, split: Split) -> dict[str, int]:
    """Held-out tracks whose artists may also be in training, in spite of a split by artist.

    An independent check of the split: every part of a text that may be an artist is compared,
    whether it was recognised as one or not.

    Returns:
        `without_artist`: number of held-out tracks without artists; `perhaps_shared`: number of
        those with a part of a name that a training track has as well.
    """
    names = artist_column(corpus).map(possible_names)
    trained = {name for row in split.parts["train"] for name in names.iloc[row]}
    held_out = [names.iloc[row] for p, rows in split.parts.items() if p != "train" for row in rows]
    return {
        "without_artist": sum(not found for found in held_out),
        "perhaps_shared": sum(not trained.isdisjoint(found) for found in held_out),
    }
