"""A third party's encoder beside the built wheel: installed, used by every verb, uninstalled.

test_add_an_encoder.py does most of it with an encoder of the reader's, each time.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fresh_environment import ROOT, FreshEnvironment

from deephits_keras.sample import make_sample

pytestmark = pytest.mark.slow

TRAINING = ("--task", "tiers-3", "--epochs", "1", "--batch-size", "8", "--jobs", "2")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "raw"
    make_sample(folder, 24, seconds=4)
    return folder


@pytest.mark.nightly
def test_a_modality_comes_with_its_distribution_and_goes_with_it(
    fresh: FreshEnvironment, raw: Path, tmp_path: Path
) -> None:
    def deephits(*words: object, code: int = 0) -> str:
        done = fresh.run("deephits", *words, cwd=tmp_path)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stderr if code else done.stdout

    def encoders() -> dict[str, Any]:
        return {row["encoder"]: row for row in json.loads(deephits("encoders", "list", "--json"))}

    package = fresh.run(
        "python", "-c", "import deephits_keras; print(deephits_keras.__file__)", cwd=tmp_path
    )
    assert package.stdout.startswith(str(fresh.folder))
    assert "chroma_tonnetz" not in encoders()

    example = shutil.copytree(ROOT / "examples" / "third_party_encoder", tmp_path / "example")
    installed = fresh.run("pip", "install", example, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    row = encoders()["chroma_tonnetz"]
    assert row["state"] == "ok"
    assert (row["modality"], row["embedding_size"]) == ("harmony", 32)
    assert (row["distribution"], row["distribution_version"]) == ("deephits-harmony", "0.3.0")
    assert row["licence"] == "Apache-2.0"
    results = json.loads(deephits("encoders", "check", "chroma_tonnetz", "--json"))["checks"]
    assert len(results) > 20
    assert {result["status"] for result in results} <= {"passed", "skipped"}

    shutil.copytree(raw, tmp_path / "raw")
    song = next((tmp_path / "raw").rglob("*.mp3"))
    both = ("--modalities", "harmony,meta")
    predict = ("predict", "with", song, "--set", "tempo=120", "--json")
    # Of two descriptors nothing can be left out but the whole modality: three trainings.
    few = (*both, "--meta-columns", "tempo,energy", *TRAINING[2:])
    _, extracted, built, _, _, predicted, explained, reproduced = fresh.commands(
        tmp_path,
        ("import", "spotgentrack", "raw", "corpus"),
        ("extract", "corpus", *both, "--jobs", "2"),
        ("build", *both, "--json"),
        ("train", "corpus", "with", *both, *TRAINING),
        ("train", "corpus", "without", "--modalities", "meta", *TRAINING),
        predict,
        ("explain", *predict[1:]),
        ("reproduce", "corpus", "out", "--table", "7", "--seeds", "1", *few, "--json"),
    )
    assert "chroma_tonnetz" in extracted
    assert json.loads(built)["branches"][0]["embedding_size"] == 32
    prediction = json.loads(predicted)
    assert 0 <= prediction["popularity"] <= 100
    assert prediction["missing"] == []
    assert set(json.loads(explained)["modalities"]) == {"harmony", "meta"}
    ablated = json.loads(reproduced)
    variants = {row["variant"] for row in ablated["rows"]}
    assert variants == {"without harmony", "without meta", "all features"}

    assert fresh.run("pip", "uninstall", "-y", "deephits-harmony", cwd=tmp_path).returncode == 0
    assert "chroma_tonnetz" not in encoders()
    told = deephits(*predict, code=2)
    assert "'chroma_tonnetz' of deephits-harmony 0.3.0" in told
    assert "pip install deephits-harmony==0.3.0" in told
    assert example.as_uri() in told
    deephits("predict", "without", "--set", "tempo=120")


def test_a_begun_encoder_installs_and_passes_its_own_tests(
    fresh: FreshEnvironment, tmp_path: Path
) -> None:
    def run(*words: object) -> str:
        done = fresh.run(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    run("deephits", "encoders", "new", "bird_song", "--modality", "birds")
    run("pip", "install", "--no-deps", tmp_path / "deephits-bird-song")
    rows = {r["encoder"]: r for r in json.loads(run("deephits", "encoders", "list", "--json"))}
    assert rows["bird_song"]["modality"] == "birds"
    # Other backends are in test_add_an_encoder.py.
    words = ("-q", "-p", "no:cacheprovider", "-k", "not other_backends")
    told = run("python", "-m", "pytest", *words, "deephits-bird-song/tests")
    assert "passed" in told
    again = fresh.run("deephits", "encoders", "new", "bird_song", cwd=tmp_path)
    assert again.returncode == 2
    assert "deephits-bird-song 0.1.0 has an encoder named 'bird_song'" in again.stderr
    run("pip", "uninstall", "-y", "deephits-bird-song")
    again = fresh.run("deephits", "encoders", "new", "bird_song", cwd=tmp_path)
    assert again.returncode == 2
    assert "deephits-bird-song is not empty" in again.stderr
