"""`deephits essentia fit`: a planted mapping is found, saved as plain numbers, and used."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from deephits_plugins.essentia_descriptors import EssentiaDescriptors, EssentiaDescriptorsConfig
from deephits_plugins.essentia_descriptors.fit import fit_mapping
from deephits_plugins.essentia_descriptors.mapping import default_mapping, read_mapping
from deephits_plugins.essentia_descriptors.measure import STATISTICS

from deephits_keras.corpus import import_table
from deephits_keras.errors import UserError
from deephits_keras.features.extraction import extract_features

pytestmark = pytest.mark.usefixtures("eager")

RATE = 44_100
NOISE = 0.05
TRACKS = 1000
CENTRE = 3.0
Deephits = Callable[..., Any]


def draw_statistics(tracks: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(CENTRE, 1, (tracks, len(STATISTICS)))
    values[:, STATISTICS.index("rhythm.bpm")] = values[:, 0] * 20 + 120
    for name, of in {"tempo": "rhythm.bpm", "danceability": "rhythm.danceability"}.items():
        values[:, STATISTICS.index(name)] = values[:, STATISTICS.index(of)]
    values[:, STATISTICS.index("mode")] = values[:, STATISTICS.index("tonal.mode")]
    return values.astype(np.float32)


def planted(statistics: np.ndarray) -> np.ndarray:
    """An energy of standard deviation 0.1 that hangs on two statistics."""
    first = statistics[:, STATISTICS.index("lowlevel.spectral_entropy.mean")]
    second = statistics[:, STATISTICS.index("log10 lowlevel.spectral_rms.mean")]
    return 0.5 + 0.08 * (first - CENTRE) - 0.06 * (second - CENTRE)


def spotify(statistics: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(9)
    noise = {name: NOISE * rng.normal(size=len(statistics)) for name in names}
    return {name: np.clip(planted(statistics) + noise[name], 0, 1) for name in names}


def test_a_planted_mapping_is_found_and_nothing_where_there_is_none() -> None:
    statistics = draw_statistics(TRACKS, 1)
    values = spotify(statistics, ("energy", "speechiness"))
    values["valence"] = np.random.default_rng(2).random(TRACKS)
    fit = fit_mapping(statistics, values, np.arange(TRACKS))
    outcomes = {d.name: d for d in fit.descriptors}
    # The noise leaves 0.1**2 of a variance of 0.1**2 + NOISE**2 to explain: 0.8. Least squares of
    # p statistics on n tracks add p / (n - p) of the noise to the error; twice that is allowed.
    lost = len(STATISTICS) / (0.8 * TRACKS - len(STATISTICS)) * NOISE**2 / 0.1**2
    for name in ("energy", "speechiness"):
        assert outcomes[name].outcome == "learnt"
        assert outcomes[name].r2 == pytest.approx(0.8, abs=2 * lost)
    assert outcomes["valence"].outcome == "no better than the mean"
    assert set(fit.mapping.uncalibrated) == set(default_mapping().uncalibrated) - {"energy"}
    unseen = draw_statistics(TRACKS, 3)
    column = fit.mapping.descriptors.index("energy")
    error = fit.mapping.apply(unseen)[:, column] - planted(unseen)
    assert np.mean(error**2) < 2 * lost * 0.1**2


def test_with_few_tracks_speechiness_and_liveness_are_not_offered() -> None:
    statistics = draw_statistics(400, 1)
    values = spotify(statistics, ("energy", "speechiness", "liveness"))
    fit = fit_mapping(statistics, values, np.arange(400))
    assert fit.skipped["speechiness"] == "400 tracks have both, 500 are needed"
    assert "liveness" in fit.skipped
    assert not {"speechiness", "liveness"} & set(fit.mapping.descriptors)


def test_what_only_an_artists_other_tracks_tell_is_not_learnt() -> None:
    """Statistics that name the artist, and a value of the artist's own: no use for another one."""
    rng = np.random.default_rng(4)
    artists = np.repeat(np.arange(20), 20)
    statistics = rng.normal(size=(20, len(STATISTICS)))[artists].astype(np.float32)
    statistics += 0.01 * rng.normal(size=statistics.shape).astype(np.float32)
    values = {"energy": rng.random(20)[artists]}
    alone = fit_mapping(statistics, values, np.arange(400)).descriptors[0]
    grouped = fit_mapping(statistics, values, artists).descriptors[0]
    assert alone.r2 > 0.9
    assert grouped.r2 < 0.5


def test_a_default_with_the_smaller_error_stays() -> None:
    """Octave errors that a statistic hints at: the learnt R2 is the better, its tempi are worse."""
    statistics = draw_statistics(TRACKS, 1)
    tempo = statistics[:, STATISTICS.index("rhythm.bpm")].astype(np.float64)
    halved = statistics[:, STATISTICS.index("rhythm.onset_rate")] > CENTRE + 1.3
    tempo[halved] /= 2
    fit = fit_mapping(statistics, {"tempo": tempo}, np.arange(TRACKS))
    learnt = fit.descriptors[0]
    assert learnt.default_r2 is not None
    assert learnt.r2 > learnt.default_r2
    assert learnt.outcome == "no better than the default"
    assert fit.agreement["tempo"] == pytest.approx(1 - halved.mean())
    np.testing.assert_array_equal(
        fit.mapping.apply(statistics), default_mapping().apply(statistics)
    )


@pytest.mark.parametrize(
    ("tracks", "value", "reason"),
    [(40, None, "40 tracks have both, 50 are needed"), (80, 0.5, "the same for every track")],
)
def test_a_corpus_that_nothing_can_be_learnt_from(
    tracks: int, value: float | None, reason: str
) -> None:
    statistics = draw_statistics(tracks, 1)
    values = planted(statistics) if value is None else np.full(tracks, value)
    with pytest.raises(UserError, match=reason):
        fit_mapping(statistics, {"energy": values}, np.arange(tracks))


# === The file ===


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    statistics = draw_statistics(600, 1)
    values = spotify(statistics, ("energy", "liveness"))
    fit = fit_mapping(statistics, values, np.arange(600))
    fit.mapping.save(tmp_path / "calibration.json")
    return tmp_path / "calibration.json"


def configured(calibration: Path) -> EssentiaDescriptors:
    return EssentiaDescriptors(EssentiaDescriptorsConfig(calibration=str(calibration)))


def test_saved_and_read_the_mapping_is_the_same(calibration: Path) -> None:
    statistics = draw_statistics(600, 1)
    values = spotify(statistics, ("energy", "liveness"))
    fit = fit_mapping(statistics, values, np.arange(600))
    assert read_mapping(calibration) == fit.mapping
    assert "liveness" in fit.mapping.descriptors
    assert fit.mapping.tracks == 600


def test_another_calibration_needs_no_other_features(calibration: Path) -> None:
    assert configured(calibration).fingerprint() == EssentiaDescriptors().fingerprint()


def damaged(**changes: Any) -> Callable[[dict[str, Any]], str]:
    return lambda values: json.dumps({**values, **changes})


def with_rule(**changes: Any) -> Callable[[dict[str, Any]], str]:
    def change(values: dict[str, Any]) -> str:
        values["descriptors"]["energy"] |= changes
        return json.dumps(values)

    return change


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda values: "{", "can't be read"),
        (lambda values: "[1, 2]", "not a calibration"),
        (lambda values: "x" * 1_100_000, "too large"),
        (lambda values: "[" * 100_000, "can't be read"),
        (damaged(format="another 1"), "not a calibration"),
        (damaged(statistics=["rhythm.bpm"]), "other statistics"),
        (damaged(descriptors=[]), "descriptors must be names with values"),
        (damaged(tracks="many"), "tracks must be a whole number"),
        (damaged(descriptors={"__class__": {}}), "descriptors.__class__.weights is missing"),
        (damaged(descriptors={"key": {"weights": [], "bias": 0}}), "no descriptor 'key'"),
        (damaged(descriptors={"energy": {"weights": []}}), "energy.bias is missing"),
        (with_rule(weights=[0.0] * 3), "must have 9"),
        (with_rule(weights="0" * len(STATISTICS)), "energy.weights must be a list"),
        (with_rule(weights=[float("nan")] * len(STATISTICS)), "finite"),
        (with_rule(bias=float("inf")), "finite"),
        (with_rule(bias=1e300), "finite"),
        (with_rule(bias=10**400), "energy.bias: Number out of range"),
        (with_rule(bias="1.0"), "energy.bias must be a number"),
        (with_rule(r2=None), "finite"),
    ],
)
def test_a_hostile_calibration_is_refused(
    calibration: Path, spoil: Callable[[dict[str, Any]], str], reason: str
) -> None:
    calibration.write_text(spoil(json.loads(calibration.read_text())))
    with pytest.raises(UserError, match=reason) as refused:
        configured(calibration).mapping  # noqa: B018
    assert "calibration" in str(refused.value)


def test_a_calibration_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="deephits essentia fit"):
        configured(tmp_path / "gone.json").mapping  # noqa: B018


# === The command, with the real library ===

SLOPE, SHIFT = 0.8, -2.0
"""A loudness that is planted: SLOPE * LUFS + SHIFT."""


def write_song(path: Path, level: float, seconds: float = 3.0) -> None:
    """A stereo tone of a level: its loudness in LUFS (see test_essentia_descriptors)."""
    times = np.arange(int(seconds * RATE)) / RATE
    tone = 10 ** (level / 20) * np.sin(2 * np.pi * 997 * times)
    soundfile.write(path, np.stack([tone, tone], axis=1), RATE)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    (folder / "audio").mkdir()
    rng = np.random.default_rng(0)
    levels = rng.uniform(-35, -5, 60)
    ids = [f"t{n:02}" for n in range(60)]
    for track_id, level in zip(ids, levels, strict=True):
        write_song(folder / "audio" / f"{track_id}.wav", level)
    pd.DataFrame(
        {
            "track_id": ids,
            "popularity": rng.uniform(0, 100, 60).round(),
            "loudness": SLOPE * levels + SHIFT,
            "tempo": rng.uniform(80, 160, 60),
            "artist_popularity": rng.uniform(0, 100, 60).round(),
        }
    ).to_csv(folder / "tracks.csv", index=False)
    return folder / "tracks.csv"


@pytest.fixture(scope="module")
def measured(table: Path) -> Path:
    """With Essentia's features, which take seconds: each test has a copy."""
    folder = table.parent / "corpus"
    imported = import_table(table, folder, audio=table.parent / "audio").corpus
    extract_features(imported, EssentiaDescriptors(), jobs=2)
    return folder


@pytest.fixture
def corpus(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "corpus"))


@pytest.fixture
def song(tmp_path: Path) -> Path:
    write_song(tmp_path / "song.wav", -20.0)
    return tmp_path / "song.wav"


def train(deephits: Deephits, corpus: Path, run: Path, modalities: str, *more: object) -> Path:
    words = ("--modalities", modalities, "--epochs", "1", "--batch-size", "16", "--no-xla", *more)
    outcome = deephits("train", corpus, run, *words)
    assert outcome.code == 0, outcome.err
    return run


def test_fit_and_predict_with_measured_fields(
    corpus: Path, song: Path, tmp_path: Path, deephits: Deephits
) -> None:
    outcome = deephits("essentia", "fit", corpus, "--json", "--jobs", "2")
    assert outcome.code == 0, outcome.err
    answer = json.loads(outcome.out)
    loudness = answer["descriptors"]["loudness"]
    assert (loudness["outcome"], loudness["tracks"]) == ("learnt", 60)
    assert answer["skipped"]["energy"] == "the corpus has no such column"
    page = Path(answer["report"]).read_text()
    assert page.count("<img") == len(answer["descriptors"])
    assert "<script" not in page

    columns = ("--meta-columns", "loudness,tempo,artist_popularity")
    run = train(deephits, corpus, tmp_path / "run", "meta", *columns)
    words = ("predict", run, song, "--descriptors", "essentia", "--set", "tempo=101", "--json")
    plain = json.loads(deephits(*words).out)
    assert plain["fields"]["tempo"] == {"value": 101.0, "source": "given"}
    assert plain["fields"]["loudness"]["source"] == "essentia_descriptors"
    # 0.1 LU is what EBU Tech 3341 allows a meter.
    assert plain["fields"]["loudness"]["value"] == pytest.approx(-20, abs=0.1)
    assert "artist_popularity" not in plain["fields"]
    assert plain["missing_parts"] == {"meta": ["artist_popularity"]}
    assert "uncalibrated" in plain["remarks"][0]
    assert "loudness" in plain["remarks"][0]

    fitted = json.loads(deephits(*words, "--essentia-calibration", answer["calibration"]).out)
    # Held out, nine of ten errors of a normal distribution are below 2.1 mean absolute ones.
    expected = SLOPE * -20 + SHIFT
    within = 2.1 * loudness["mae"] + 0.1
    assert fitted["fields"]["loudness"]["value"] == pytest.approx(expected, abs=within)
    assert "loudness" not in fitted["remarks"][0]
    assert fitted["popularity"] != plain["popularity"]

    # What was measured counts as what a table would have said.
    given = [f"--set=loudness={plain['fields']['loudness']['value']}", "--set=tempo=101"]
    assert json.loads(deephits("predict", run, *given, "--json").out)["scores"] == plain["scores"]


def test_a_table_of_songs_is_measured_row_by_row(
    corpus: Path, song: Path, tmp_path: Path, deephits: Deephits
) -> None:
    run = train(deephits, corpus, tmp_path / "run", "meta", "--meta-columns", "loudness,tempo")
    (tmp_path / "bad.mp3").write_bytes(b"no music" * 100)
    songs = tmp_path / "songs.csv"
    songs.write_text("track_id,audio,tempo\na,song.wav,\nb,bad.mp3,100\nc,,90\n")
    outcome = deephits("predict", run, "--table", songs, "--descriptors", "essentia_descriptors")
    assert outcome.code == 0, outcome.err
    rows = pd.read_csv(io.StringIO(outcome.out), index_col="track_id")
    assert "loudness=-20" in rows.loc["a", "measured"] or "loudness=-19.9" in rows["measured"]["a"]
    assert "uncalibrated" in rows.loc["a", "remarks"]
    assert "bad.mp3" in rows.loc["b", "warnings"]
    assert "lacks the input" in rows.loc["c", "warnings"]
    assert rows["measured"].isna().tolist() == [False, True, True]
    assert rows["popularity"].notna().all()


def test_a_model_of_the_essentia_modality_says_that_it_is_uncalibrated(
    corpus: Path,
    song: Path,
    tmp_path: Path,
    deephits: Deephits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = train(deephits, corpus, tmp_path / "run", "essentia")
    outcome = deephits("predict", run, song)
    assert outcome.code == 0, outcome.err
    assert "remark       essentia: uncalibrated" in outcome.out
    assert "measured differently" not in outcome.out + outcome.err

    another_essentia(tmp_path, monkeypatch)
    answer = json.loads(deephits("predict", run, song, "--json").out)
    assert "essentia is measured differently here" in answer["warnings"][0]


def another_essentia(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the distribution that is found first be Essentia of another version."""
    information = folder / "essentia-9.9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.4\nName: essentia\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(str(folder))


def test_another_version_of_essentia_has_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = EssentiaDescriptors()
    first = before.fingerprint()
    another_essentia(tmp_path, monkeypatch)
    assert before.fingerprint_config()["essentia"] == "9.9"
    assert before.fingerprint() != first


def test_two_runs_side_by_side(
    corpus: Path, song: Path, tmp_path: Path, deephits: Deephits
) -> None:
    columns = ("--meta-columns", "loudness,tempo,artist_popularity")
    first = train(deephits, corpus, tmp_path / "spotify", "meta", *columns)
    second = train(deephits, corpus, tmp_path / "essentia", "essentia")
    words = (song, "--set", "tempo=101", "--essentia-units", "64")
    both = json.loads(deephits("predict", first, "--also", second, *words, "--json").out)
    assert [answer["run"] for answer in both] == [str(first), str(second)]
    assert [answer["modalities"] for answer in both] == [["meta"], ["essentia"]]
    alone = [
        json.loads(deephits("predict", first, *words[:3], "--json").out),
        json.loads(deephits("predict", second, *words, "--json").out),
    ]
    for answer, single in zip(both, alone, strict=True):
        assert {name: answer[name] for name in single} == single

    shown = deephits("predict", first, "--also", second, *words).out
    lines = {run: next(x for x in shown.splitlines() if str(run) in x) for run in (first, second)}
    assert "meta: loudness, artist_popularity" in lines[first]
    for run, answer in zip(lines, both, strict=True):
        assert f" {answer['popularity']:.1f} " in lines[run]
        assert f"{answer['tier']} ({answer['tier_label']})" in lines[run]
    assert f"{second}: essentia: uncalibrated" in shown

    # A setting that is of no run at all is still refused, and so is a table.
    outcome = deephits("predict", first, "--also", first, *words)
    assert (outcome.code, "no essentia" in outcome.err) == (2, True)
    outcome = deephits("predict", first, "--also", second, "--table", song)
    assert (outcome.code, "--also" in outcome.err) == (2, True)


def test_the_columns_are_the_descriptors_with_the_key_spread_out() -> None:
    statistics = draw_statistics(3, 4)
    statistics[:, STATISTICS.index("tonal.key")] = [0, 11, -1]
    statistics[2, STATISTICS.index("tempo")] = np.nan
    columns = EssentiaDescriptors().tabular({"statistics": statistics})
    keys = np.stack([columns.pop(f"key={k}") for k in range(13)])
    np.testing.assert_array_equal(keys.argmax(axis=0), [0, 11, 12])
    np.testing.assert_array_equal(keys.sum(axis=0), 1)
    assert list(columns) == [name for name in default_mapping().descriptors if name != "key"]
    assert np.isnan(columns["tempo"]).tolist() == [False, False, True]
    np.testing.assert_allclose(columns["tempo"][:2], statistics[:2, STATISTICS.index("rhythm.bpm")])


@pytest.mark.nightly
def test_table_a8_has_both_kinds_of_descriptors(
    table: Path, tmp_path: Path, deephits: Deephits
) -> None:
    rng = np.random.default_rng(5)
    tracks = pd.read_csv(table)
    tracks["speechiness"], tracks["liveness"] = rng.uniform(0, 0.6, (2, len(tracks)))
    tracks.to_csv(tmp_path / "tracks.csv", index=False)
    audio = ("--audio", table.parent / "audio")
    imported = deephits("import", "table", tmp_path / "tracks.csv", tmp_path / "corpus", *audio)
    assert imported.code == 0, imported.err
    words = ("--table", "A8", "--seeds", "1", "--modalities", "meta,essentia", "--jobs", "2")
    outcome = deephits("reproduce", tmp_path / "corpus", tmp_path / "out", *words, "--json")
    assert outcome.code == 0, outcome.err
    (result,) = (tmp_path / "out" / "shallow" / "logistic" / "tiers-10").glob("*.json")
    rows = json.loads(result.read_text())["rows"]
    without = [f"descriptors without {field}" for field in ("speechiness", "liveness", "both")]
    # Essentia gives neither field, so that nothing can be left out.
    assert [name for name in rows if "without" in name] == without
    lines = [
        (line["row"], line["source"], line["value"])
        for line in json.loads(outcome.out)["tables"]
        if line["table"] == "A8" and line["column"] == "Δ macro-F1, points"
    ]
    ten, three = lines[:7], lines[7:]
    assert [line[:2] for line in ten] == [line[:2] for line in three]
    measured = [(row, value) for row, source, value in ten if source == "measured"]
    assert [row for row, _ in measured] == [*without, "essentia in place of descriptors"]
    assert [source for _, source, _ in ten] == ["measured", "published"] * 3 + ["measured"]
    figures = [rows[f"early fusion with {d}"]["macro_f1"] for d in ("essentia", "descriptors")]
    assert measured[-1][1] == pytest.approx(100 * (figures[0] - figures[1]))


def test_descriptors_of_an_encoder_that_measures_none(
    corpus: Path, song: Path, tmp_path: Path, deephits: Deephits
) -> None:
    run = train(deephits, corpus, tmp_path / "run", "meta", "--meta-columns", "loudness")
    outcome = deephits("predict", run, song, "--descriptors", "mel")
    assert outcome.code == 2
    assert "measures no fields" in outcome.err
    assert "essentia_descriptors" in outcome.err


def test_the_verb_is_listed_with_its_origin(deephits: Deephits) -> None:
    outcome = deephits("--help")
    listed = outcome.out.index("essentia  from deephits-keras")
    assert outcome.out.index("Commands of plug-ins") < listed
    assert deephits("essentia", "fit", "--help").code == 0
    assert deephits("zither").code == 2


def test_a_corpus_without_descriptors_says_what_is_needed(
    table: Path, tmp_path: Path, deephits: Deephits
) -> None:
    bare = tmp_path / "bare.csv"
    pd.read_csv(table)[["track_id", "popularity"]].to_csv(bare, index=False)
    audio = table.parent / "audio"
    assert deephits("import", "table", bare, tmp_path / "c", "--audio", audio).code == 0
    outcome = deephits("essentia", "fit", tmp_path / "c")
    assert outcome.code == 2
    assert "loudness" in outcome.err
