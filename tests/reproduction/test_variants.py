"""Ablations: exactly what Section 3.3.2 removes, for any encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from deephits_plugins.numeric import Numeric

from deephits_keras.encoders.contract import EncoderConfig, ModalityEncoder, setting
from deephits_keras.encoders.features import FeatureSpec
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.errors import UserError
from deephits_keras.model.builder import build_model, trainable_parameters
from deephits_keras.reproduction.deep import changed_fusion, plan
from deephits_keras.reproduction.variants import (
    ablated_variants,
    beyond_variants,
    column_groups,
    is_ablation,
    name_of,
)


@dataclass(frozen=True)
class ChoirConfig(EncoderConfig):
    voices: tuple[str, ...] = setting(("high", "low"), "voices", changes_features=True)


class Choir(ModalityEncoder[ChoirConfig]):
    """A third party's encoder: a number for each voice."""

    name = "choir"
    modality = "singing"
    version = "1"
    Config = ChoirConfig
    parts: Mapping[str, Mapping[str, Any]] = {"high_voices": {"voices": ["low"]}}

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        return (FeatureSpec("levels", (len(self.config.voices),)),)

    def extract(self, track: Any) -> Any:
        return {"levels": np.ones(len(self.config.voices), "float32")}

    def build(self, inputs: Mapping[str, Any]) -> Any:
        from keras import layers

        return layers.Dense(3)(inputs["levels"])

    def ablations(self) -> Mapping[str, Mapping[str, Any]]:
        return self.parts


def test_each_ablation_changes_the_papers_parameters_and_no_others() -> None:
    variants = ablated_variants(resolve_modalities("mel,lyrics,meta"))
    sizes = {v.name: trainable_parameters(build_model(list(v.encoders.values()))) for v in variants}
    whole = sizes.pop("all features")
    assert whole == 476_938
    # A branch's own parameters (Table A1) and its embedding's weights in the first fusion layer;
    # two and twenty-four of the vector's inputs to 64 units.
    assert {name: whole - size for name, size in sizes.items()} == {
        "without mel": 92_736 + 64 * 256,
        "without lyrics": 262_656 + 256 * 256,
        "without descriptors": 24 * 64,
        "without metadata": 128,
        "without meta": 5_888 + 64 * 256,
    }


def test_without_metadata_only_artist_popularity_and_release_year_go() -> None:
    variants = {v.name: v.encoders for v in ablated_variants({"meta": Numeric()})}
    columns = {name: set(e["meta"].config.columns) for name, e in variants.items()}
    whole = columns["all features"]
    assert whole - columns["without metadata"] == {"artist_popularity", "release_year"}
    assert columns["without descriptors"] == {"artist_popularity", "release_year"}


def test_a_single_branch_without_parts_has_no_ablation() -> None:
    names = [v.name for v in ablated_variants(resolve_modalities("mel"))]
    assert names == ["all features"]


def test_the_settings_of_the_ablated_encoder_stay() -> None:
    (encoder,) = resolve_modalities("meta", {"meta": {"units": 8}}).values()
    for variant in ablated_variants({"meta": encoder}):
        assert variant.encoders["meta"].config.units == 8


def test_a_third_partys_parts_and_branch_are_left_out_alike() -> None:
    encoders = {"singing": Choir(), "meta": Numeric()}
    variants = {v.name: v.encoders for v in ablated_variants(encoders)}
    assert list(variants) == [
        "without high_voices",
        "without singing",
        "without descriptors",
        "without metadata",
        "without meta",
        "all features",
    ]
    assert variants["without high_voices"]["singing"].config.voices == ("low",)
    Choir.parts = {}
    assert "without singing" in {v.name for v in ablated_variants(encoders)}
    Choir.parts = {"high_voices": {"voices": ["low"]}}


@pytest.mark.parametrize("part", ["../up", "High", "with space", ""])
def test_a_part_that_is_no_identifier_is_refused(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Choir, "parts", {part: {"voices": ["low"]}})
    with pytest.raises(UserError, match="'choir' calls a part"):
        ablated_variants({"singing": Choir()})


def test_two_parts_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Choir, "parts", {"metadata": {"voices": ["low"]}})
    with pytest.raises(UserError, match="Two parts of the input are called 'metadata'"):
        ablated_variants({"meta": Numeric(), "singing": Choir()})


def test_groups_of_columns_are_what_the_parts_take_away() -> None:
    groups = column_groups({"meta": Numeric(), "singing": Choir()})
    assert groups["metadata"] == ["meta.artist_popularity", "meta.release_year"]
    assert len(groups["descriptors"]) == 24
    assert list(groups) == ["descriptors", "metadata"]


def test_columns_are_the_26_numbers_with_the_key_spread_out() -> None:
    fields = np.zeros((3, 14), "float32")
    fields[:, 11] = [-1, np.nan, 4]
    fields[1, 12] = np.nan
    columns = Numeric().tabular({"fields": fields})
    assert len(columns) == 26
    keys = np.stack([columns[f"key={k}"] for k in range(13)], axis=1)
    assert keys.argmax(axis=1).tolist() == [12, 12, 4]
    assert np.isnan(columns["artist_popularity"]).tolist() == [False, True, False]


def test_beyond_changes_the_training_or_the_fusion() -> None:
    two = {"meta": Numeric(), "singing": Choir()}
    found = {v.name: (v.training, v.fusion) for v in beyond_variants(two)}
    assert found.pop("all features") == ({}, {})
    assert all(bool(training) != bool(fusion) for training, fusion in found.values())
    assert not any(map(is_ablation, found))
    alone = {v.name for v in beyond_variants({"meta": Numeric()})}
    assert {*found} - alone == {"late fusion", "gated fusion", "modality dropout"}


def test_weights_of_late_fusion_go_with_it() -> None:
    late = {"name": "late", "dropout": 0.1, "weights": (("meta", 1.0),)}
    assert changed_fusion(late, {"name": "gated"}) == {"name": "gated", "dropout": 0.1}
    assert changed_fusion(late, {"head": "corn"}) == {**late, "head": "corn"}


def test_a_plan_has_each_run_once_and_whole_seeds_first() -> None:
    encoders = {"meta": Numeric()}
    found = plan(["5", "7"], encoders, ["paper", "artist"], range(2))
    runs = [(x.seed, x.protocol, x.task, x.variant.name) for x in found]
    assert len(runs) == len(set(runs)) == 2 * 2 * (3 + 2)
    assert [seed for seed, *_ in runs] == [0] * 10 + [1] * 10
    assert (1, "artist", "tiers-10", "without metadata") in runs
    assert (0, "paper", "tiers-3", "without metadata") not in runs
    assert all(name_of(x.variant.slug) == x.variant.name for x in found)
