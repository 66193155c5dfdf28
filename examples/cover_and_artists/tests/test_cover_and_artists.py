"""The two encoders keep the contract, and measure what they claim."""

import csv

import numpy as np
import pytest
from deephits_cover_and_artists import ArtistGraph, CoverCNN, CoverCNNConfig
from PIL import Image

from deephits_keras import ExtractionError, Track, UserError
from deephits_keras.testing import parametrize_with_checks


def graph(folder, *pairs, **settings):
    path = folder / "edges.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(pairs)
    return ArtistGraph.from_config({"edges": str(path), **settings})


def example_graph():
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="deephits-edges-"))
    made = ArtistGraph.prepare_sample(folder, ArtistGraph.example_tracks(folder))
    return ArtistGraph.from_config({name: str(value) for name, value in made.items()})


@parametrize_with_checks([CoverCNN(CoverCNNConfig(size=16)), example_graph])
def test_they_keep_the_contract(encoder, check):
    check(encoder)


# === Covers ===


def cover(folder, colour, mode="RGB", name="cover.png"):
    Image.new(mode, (40, 20), colour).save(folder / name)
    return Track("song", files={"cover": folder / name})


def test_a_red_cover_is_red(tmp_path):
    track = cover(tmp_path, (255, 0, 51))
    features = CoverCNN().extract(track)
    np.testing.assert_allclose(features["pixels"][3, 5], [1, 0, 0.2], atol=1e-3)
    columns = CoverCNN().tabular({"pixels": features["pixels"][None]})
    assert (columns["mean_red"][0], columns["contrast"][0]) == (1.0, pytest.approx(0, abs=1e-6))
    assert "of one colour" in CoverCNN().remarks(track, features)[0]


def test_any_kind_of_picture_becomes_rgb(tmp_path):
    grey = CoverCNN().extract(cover(tmp_path, 128, "L"))["pixels"]
    assert np.ptp(grey) == 0
    palette = CoverCNN().extract(cover(tmp_path, 3, "P", "cover.gif"))["pixels"]
    assert palette.shape == (32, 32, 3)


def test_a_cover_that_is_no_picture_is_told(tmp_path):
    (tmp_path / "cover.jpg").write_text("404 not found")
    with pytest.raises(ExtractionError, match=r"its cover cover\.jpg can't be read"):
        CoverCNN().extract(Track("song", files={"cover": tmp_path / "cover.jpg"}))


# === Artists ===


def likeness(encoder, first, second):
    a, b = encoder.places[first], encoder.places[second]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_artists_who_share_collaborators_are_near_each_other(tmp_path):
    """Two circles of friends that never met."""
    circles = [[(f"{c}{i}", f"{c}{j}") for i in range(5) for j in range(i)] for c in "xy"]
    encoder = graph(tmp_path, *circles[0], *circles[1], dimensions=64)
    inside = [likeness(encoder, f"{c}0", f"{c}{n}") for c in "xy" for n in range(1, 5)]
    between = [likeness(encoder, f"x{n}", f"y{m}") for n in range(5) for m in range(5)]
    assert min(inside) > max(between) + 0.3
    # Without neighbours a name is a name.
    alone = graph(tmp_path, *circles[0], *circles[1], dimensions=64, hops=0)
    assert max(likeness(alone, "x0", f"x{n}") for n in range(1, 5)) < 0.5


def test_a_list_counts_the_same_from_csv_and_from_parquet(tmp_path):
    encoder = graph(tmp_path, ("a", "b"), ("b", "c"))
    lists = [["c", "a"], "['c', 'a']", '["c", "a"]']
    found = [encoder.extract(Track("t", fields={"artist_ids": each})) for each in lists]
    assert found[0]["known"].tolist() == [1, 1, 0, 0, 0, 0]
    for other in found[1:]:
        np.testing.assert_array_equal(other["vectors"], found[0]["vectors"])


def test_who_isnt_in_the_graph_is_told(tmp_path):
    encoder = graph(tmp_path, ("a", "b"))
    track = Track("t", fields={"artist_ids": ["a", "nobody"]})
    assert encoder.missing_parts(track, encoder.extract(track)) == ("nobody",)
    assert encoder.extract(Track("t", fields={"artist_ids": ["nobody"]})) is None
    with pytest.raises(UserError, match="--artist-graph-edges"):
        ArtistGraph().extract(track)
    (tmp_path / "edges.csv").write_text("a,b\na,b,c\n")
    with pytest.raises(UserError, match="a line must name two artists"):
        ArtistGraph.from_config({"edges": str(tmp_path / "edges.csv"), "hops": 1}).extract(track)
