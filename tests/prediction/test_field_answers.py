"""Tables of fields are answered many rows at a time, exactly as one by one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deephits_plugins.numeric import Numeric, NumericConfig
from deephits_plugins.scaled_fields import ScaledFields
from deephits_plugins.tabular import Tabular, TabularConfig
from plain_model import PlainModel

from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.evaluation.calibration import Calibration
from deephits_keras.prediction.answers import TrackAnswers
from deephits_keras.prediction.field_answers import FieldAnswers
from deephits_keras.prediction.predictor import Predictor
from deephits_keras.prediction.tables import RejectedRow, TrackTable
from deephits_keras.prediction.workflow import predict
from deephits_keras.tasks import get_task
from deephits_keras.tracks import Track

LINES = """\
track_id,title,artist_name,tempo,key,energy,genre,explicit,followers,duration_ms
a,First,A,120,C,0.5,Pop,1,10,3:20
b,"Song, two",A & B,,,,,,,
c,,,n/a,11,0.1,Rock,0,,200000
,,,,,,,,,
d,Third,C,fast,1,0.2,Pop,1,3,200000
e,Fourth,C,99.5,-1,,"['Soul', 'Pop']",,1e3,
f,Fifth,D,60,3,0.9,,True,7,185000
g,Sixth,D,61,3,0.8,pop ,1.0,8,185000
"""

ENCODERS: dict[str, AnyEncoder] = {
    "numeric": Numeric(),
    "numbers of a table": Numeric(NumericConfig(columns=("tempo", "followers"))),
    "tabular": Tabular(),
    "few": Tabular(TabularConfig(columns=("energy", "key"), categories=("genre", "explicit"))),
    "without categories": Tabular(TabularConfig(columns=("tempo",), categories=())),
    "scaled": ScaledFields(),
}


def one_by_one(predictor: Predictor, rows: list[Any]) -> list[Any]:
    tracks = [row for row in rows if isinstance(row, Track)]
    return list(predictor.predict_extracted(predictor.extractor(tracks)))


@pytest.mark.parametrize("task", ["tiers-3", "regression"])
@pytest.mark.parametrize("name", ENCODERS)
def test_a_chunk_is_answered_like_its_rows(tmp_path: Path, name: str, task: str) -> None:
    (tmp_path / "songs.csv").write_text(LINES)
    model = PlainModel({"meta": ENCODERS[name]}, tmp_path / "model", get_task(task))
    model.calibration = Calibration(coverage=0.9, threshold=0.4 if task == "tiers-3" else 7.0)
    model.unseen_columns = {"meta": ("energy", "explicit")}
    words = {"genre": ["pop"], "explicit": ["True"], "language": ["en"]}
    model.config = dataclasses.replace(model.config, corpus={**model.config.corpus, "words": words})
    predictor = Predictor(model)
    (chunk,) = TrackTable(tmp_path / "songs.csv").chunks()
    answers = FieldAnswers.from_chunk(predictor, chunk)
    assert answers is not None

    expected = iter(one_by_one(predictor, list(chunk.rows())))
    found = list(answers.predictions())
    for row, prediction in zip(chunk.rows(), found, strict=True):
        if isinstance(row, RejectedRow):
            assert prediction.popularity is None
            assert prediction.warnings == (f"rejected: {row.reason}",)
            continue
        wanted = next(expected)
        for attribute in vars(wanted):
            if attribute not in ("title", "artist"):
                assert getattr(prediction, attribute) == getattr(wanted, attribute), attribute
        assert prediction.title == (row.fields.get("title") or "")
    assert {len(found), len(answers)} == {8}
    labels = model.task.tiers.labels if task == "tiers-3" else ()
    assert answers.columns(labels) == TrackAnswers(found).columns(labels)


def test_a_value_that_is_no_number_is_one_row_s_warning(tmp_path: Path) -> None:
    (tmp_path / "songs.csv").write_text("track_id,followers\na,1\nb,many\nc,3\n")
    encoder = Numeric(NumericConfig(columns=("followers",)))
    found = predict(PlainModel({"meta": encoder}, tmp_path / "model"), table=tmp_path / "songs.csv")
    assert [each.missing for each in found] == [(), ("meta",), ()]
    assert (
        found[1].warnings[0] == "meta can't be used: followers must be a number. Received: 'many'"
    )


def test_a_large_table_is_a_few_forward_passes(tmp_path: Path) -> None:
    rows = 9000
    lines = [f"t{k},{60 + k % 100}" for k in range(rows)]
    (tmp_path / "songs.csv").write_text("\n".join(["track_id,tempo", *lines]) + "\n")
    passes: list[int] = []
    model = PlainModel({"meta": Numeric()}, tmp_path / "model", before=passes.append)
    found = predict(model, table=tmp_path / "songs.csv", out=tmp_path / "scores.parquet")
    assert sum(passes) == rows
    assert len(passes) < 12
    assert max(passes) == 1024
    assert [each.track_id for each in found] == [f"t{k}" for k in range(rows)]
    assert len({each.popularity for each in found}) == np.unique(np.arange(rows) % 100).size
