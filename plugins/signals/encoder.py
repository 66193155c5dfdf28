"""`Signals`: social signals of a track and its artists before the release."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deephits_keras.corpus.days import span
from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import Features, FeatureSpec, Field
from deephits_keras.encoders.inputs import Input
from deephits_keras.errors import UserError
from deephits_keras.tracks import Track

from ..artist_history.base import ARTIST_FIELDS, DATE_FIELDS, all_artists_of, unmatched_note

if TYPE_CHECKING:
    import keras

    from .explaining import ExplainableSignals
    from .table import Owner, SignalTable


LONGEST = 36_525
"""Days of a hundred years."""


@dataclass(frozen=True)
class SignalsConfig(EncoderConfig):
    """Settings of `Signals`."""

    table: str | None = setting(
        None,
        "table of signals with the columns artist or track_id, date, name and value",
        changes_features=True,
        path=True,
        main=True,
    )
    windows: tuple[int, ...] = setting(
        (7, 30, 365), "lengths of the windows before the release, in days", changes_features=True
    )
    names: tuple[str, ...] = setting(
        (), "signals to use, by name; all of the table by default", changes_features=True
    )
    units: int = setting(64, "size of both layers and of the embedding")

    def __post_init__(self) -> None:
        if not self.windows or list(self.windows) != sorted(set(self.windows)):
            raise ValueError(f"windows must be different and ascend. Received: {self.windows}")
        if self.windows[0] < 1 or self.windows[-1] > LONGEST:
            raise ValueError(f"windows must be from 1 to {LONGEST} days. Received: {self.windows}")
        if len(set(self.names)) < len(self.names) or not all(n.strip() for n in self.names):
            raise ValueError(f"names must be different names. Received: {self.names}")
        if self.units < 1:
            raise ValueError(f"units must be positive. Received: {self.units}")


def _owners_of(track: Track) -> list[Owner]:
    """The track and its artists, as a table of signals names them."""
    from .table import ARTIST, TRACK

    return [(TRACK, track.id), *((ARTIST, key) for key in all_artists_of(track))]


class Signals(ModalityEncoder[SignalsConfig]):
    r"""Social signals over time, such as plays, followers or mentions, before the release.

    Outside the graph: of each signal of the table the latest value and its age, and in each window
    of days before the release the number of observations, their mean and their change per day
    (least squares), of the track itself and of its artists. An observation counts if the last day
    that its date may mean is before the first day on which the track may have been released, so
    that nothing of the release day or later changes anything. A track without a date, or without
    an observation in the longest window, lacks the modality.

    Inside: logarithms (with the sign), z-scores by the training split with unknown numbers at the
    mean, and two dense layers.

    The table is read when features are extracted, in prediction too: for new songs, give one that
    reaches up to their releases (`--signals FILE`). The names of the signals are those of the
    training's table and stay in the model's settings.

    Example:
        >>> import tempfile
        >>> from deephits_keras.tracks import Track
        >>> path = Path(tempfile.mkdtemp(), "signals.csv")
        >>> rows = ["A,1999-04-28,plays,10", "A,1999-04-30,plays,30", "A,1999-05-01,plays,9000"]
        >>> _ = path.write_text("\n".join(["artist,date,name,value", *rows]))
        >>> encoder = Signals(SignalsConfig(table=str(path), windows=(7,)))
        >>> fields = {"artist_name": "A", "release_date": "1999-05"}
        >>> encoder.extract(Track("t", fields=fields))["signals"].tolist()
        [30.0, 1.0, 2.0, 20.0, 10.0]
    """

    name = "signals"
    modality = "signals"
    version = "1"
    summary = "social signals of the track and its artists in windows before the release -> 64-D"
    Config = SignalsConfig
    inputs = tuple(map(Input, (*ARTIST_FIELDS, *DATE_FIELDS)))

    def __init__(self, config: SignalsConfig | None = None) -> None:
        super().__init__(config)
        path = self._path
        if not self.config.names and path is not None and path.exists():
            from .table import read_signals

            # In the settings, so that the numbers mean the same with a later table.
            self.config = dataclasses.replace(self.config, names=read_signals(path).names)
        self._mean: Sequence[float] = ()
        self._deviation: Sequence[float] = ()

    @property
    def _path(self) -> Path | None:
        return None if self.config.table is None else Path(self.config.table).expanduser()

    @property
    def _table(self) -> SignalTable:
        from .table import read_signals

        if (path := self._path) is None:
            raise UserError(
                "The encoder signals needs a table with the columns artist or track_id, date, name "
                "and value: --signals FILE"
            )
        table = read_signals(path)
        table.require(self.config.names)
        return table

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers, in order."""
        from .windows import column_names

        names = self.config.names or self._table.names
        return column_names(names, self.config.windows)

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """One feature, `signals`: `(signals * (2 + 3 * windows),)` float32, NaN where unknown."""
        columns = self.columns
        return (FeatureSpec("signals", (len(columns),), "float32", "; ".join(columns)),)

    @property
    def embedding_size(self) -> int:
        """See the base class."""
        return self.config.units

    def require_extractable(self) -> None:
        """Read the table, and check that it has the signals."""
        self.columns  # noqa: B018
        self._table  # noqa: B018

    def made_as(self, record: Mapping[str, Any], fingerprint: str) -> bool:
        """Whether signals and windows are those of the training; the table may be a newer one."""
        del fingerprint
        config = self.get_config()
        return all(config[name] == record[name] for name in ("windows", "names"))

    def match_files(self, tracks: Iterable[Track]) -> tuple[str, ...]:
        """How many artists and tracks of the table the corpus hasn't; see the base class."""
        from .table import ARTIST, TRACK

        table = self._table
        found = dict.fromkeys(owner for track in tracks for owner in _owners_of(track))
        named = {kind: [key for k, key in table.owners if k == kind] for kind in (ARTIST, TRACK)}
        others = {kind: [k for k in keys if (kind, k) not in found] for kind, keys in named.items()}
        if others == named:
            own = next((key for kind, key in found if named[kind]), None)
            raise UserError(
                f"{table.path} is about none of the songs. It has {table.described()}, and the "
                f"songs have {'no artist' if own is None else f'{own!r}'}: it must name artists or "
                "tracks as the songs' table does, by the same ids or names"
            )
        return tuple(
            note
            for kind, keys in named.items()
            for note in unmatched_note(table.path, kind, others[kind], len(keys))
        )

    def extract(self, track: Track) -> Features | None:
        """Look the track and its artists up in the table; see the base class."""
        from .windows import measure

        released = span(*(track.fields.get(DATE_FIELDS[0]), track.number(DATE_FIELDS[1])))
        table = self._table
        if released is None:
            return None
        config = self.config
        numbers = measure(table, _owners_of(track), config.names, config.windows, released[0])
        return None if numbers is None else {"signals": numbers}

    def missing_parts(self, track: Track, features: Features) -> tuple[str, ...]:
        """Signals without an observation in the longest window."""
        del track
        latest = features["signals"].reshape(len(self.config.names), -1)[:, 0]
        pairs = zip(self.config.names, latest, strict=True)
        return tuple(name for name, value in pairs if math.isnan(value))

    def fields(self) -> dict[str, Field]:
        """The numbers by name."""
        return {column: ("signals", place) for place, column in enumerate(self.columns)}

    def tabular(self, features: Features) -> Features:
        """The numbers by name."""
        return dict(zip(self.columns, features["signals"].T, strict=True))

    def adapt(self, batches: Iterable[Features]) -> None:
        """Compute mean and deviation of each number's logarithm.

        Raises:
            UserError: if no training track has a signal, as of a table of others.
        """
        import numpy as np

        from deephits_keras.encoders.moments import Moments

        moments, tracks = Moments(len(self.columns)), 0
        for batch in batches:
            numbers = batch["signals"]
            # In float32: the sums of a number that never varies are exact, and it is seen as such.
            moments.add(np.sign(numbers) * np.log1p(np.abs(numbers)))
            tracks += len(numbers)
        if not tracks:
            table = self._table
            raise UserError(
                f"No training track has a signal in the {self.config.windows[-1]} days before its "
                f"release. {table.path} has {table.described()}: it must name artists as the "
                "songs' table does, by the same ids or names, and have dates before the songs'"
            )
        self._mean, self._deviation = moments.mean.tolist(), moments.deviation.tolist()

    def build(self, inputs: Mapping[str, Any]) -> Any:
        """`(batch, columns)` to `(batch, units)`."""
        from .branch import signals_branch

        columns = self.columns
        mean = self._mean or [0.0] * len(columns)
        deviation = self._deviation or [1.0] * len(columns)
        return signals_branch(inputs["signals"], columns, mean, deviation, self.config.units)

    def explainable(
        self, track: Track, features: Features, branch: keras.Model
    ) -> ExplainableSignals:
        """Attribute to the standardised logarithms."""
        from .explaining import ExplainableSignals

        del track
        return ExplainableSignals(self.columns, features["signals"], branch)

    @classmethod
    def example_tracks(cls, folder: Path) -> tuple[Track, ...]:
        """Songs of two artists and of both together, and one without a date."""
        del folder
        dates = ("1999-03-01", "2003-05", "2003-05-17", "2011-01-02", None)
        names = (["a"], ["a"], ["b"], ["a", "b"], ["a"])
        pairs = enumerate(zip(names, dates, strict=True))
        return tuple(
            Track(f"song-{n}", fields={"artist_keys": keys, "release_date": date})
            for n, (keys, date) in pairs
        )

    @classmethod
    def prepare_sample(cls, folder: Path, tracks: Sequence[Track]) -> dict[str, Any]:
        """A table of made-up weekly plays and yearly concerts of the artists of dated tracks."""
        import datetime

        from deephits_keras.utils.files import write_text

        rows = []
        for number, track in enumerate(tracks):
            day = span(track.fields.get(DATE_FIELDS[0]), track.number(DATE_FIELDS[1]))
            if day is None:
                continue
            release = datetime.date(1800, 1, 1) + datetime.timedelta(days=day[0])
            for artist in all_artists_of(track):
                rows += [
                    f"{artist},{release - datetime.timedelta(days=7 * week + 1)},plays,"
                    f"{(number + 3) * 1000 // (week + 1)}"
                    for week in range(8)
                ]
                rows.append(f"{artist},{release.year - 1},concerts,{number % 5}")
        if not rows:
            return {}
        path = folder / "signals.csv"
        write_text(path, "\n".join(["artist,date,name,value", *rows]) + "\n")
        return {"table": path}
