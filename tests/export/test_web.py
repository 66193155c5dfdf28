"""`deephits export --format web`: the page in a real browser, from a plain file server."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import os
import shutil
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from deephits_keras.corpus import Corpus, import_table, make_split
from deephits_keras.corpus.lyrics import LyricsCleaning, clean_lyrics, in_javascript
from deephits_keras.encoders.registry import resolve_modalities
from deephits_keras.encoders.words import words_of
from deephits_keras.errors import UserError
from deephits_keras.export.bundle import Bundle
from deephits_keras.export.exporter import export_run
from deephits_keras.export.web.runtime import write_runtime
from deephits_keras.export.web.site import write_site
from deephits_keras.features.extraction import corpus_encoders, extract_features
from deephits_keras.prediction.asked import checked_track
from deephits_keras.prediction.predictor import Predictor, TrackPrediction
from deephits_keras.runs.training_config import TrainingConfig
from deephits_keras.training.trainer import new_run, train

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and shutil.which("npm"))
    and not (os.environ.get("CI") and sys.platform == "linux"),
    reason="needs Chromium and npm",
)

LYRICS = "[Chorus]\nStraße &amp; Νύχτας, don't go\nÇa va, İstanbul"
FIELDS = {"tempo": 130.0, "genre": "K-Pop"}

SAME_GRAPH = 1e-3
"""Of 100: the tolerance of every export, as the page runs the same graph on the same features."""

HIGHEST = 4
"""Bands at the upper end, where the filters of two resamplers fall off differently."""

SAME_SAMPLES, OTHER_SAMPLES = (0.001, 0.001), (0.0015, 0.08)
"""Decibels, mean over the lower and the highest bands: three to four times what was measured."""

POINTS_PER_DECIBEL = (9.5, 0.26)
"""Of 100, if each value of the lower or highest bands moves in its worst direction: sums of finite
differences of this test's model. docs/export.md has the derivation."""

TEXTS = (
    "12 ContributorsTranslationsSong Lyrics[Verse 1]\nLa la\nYou might also like57Embed",
    "[00:12.50]Hallo <b>du</b><br>da\n\n\n\nnoch",
    "-99",
    "(Instrumental)",
    "la la\nLyrics licensed by nobody\n",
    "Jay & Silent [x2] (yeah)\u200b",
)
WORDS = (
    "Straße",
    "ẞ",
    "ΝΎΧΤΑΣ",
    "\u0131I",
    "İ",
    "don\u2019t",
    "ﬁne",
    "Ꭰꭰ",
    "日本語 x_y",
    "٣ ½ é",
    "",
)


def recording(path: Path, *, rate: int = 44_100, **more: Any) -> Path:
    time = np.arange(3 * rate) / rate
    noise = np.random.default_rng(1).normal(0, 0.02, len(time))
    tone = np.sin(2 * np.pi * 330 * time * (1 + 0.1 * time)) * np.cos(3 * time)
    soundfile.write(path, 0.4 * tone + noise, rate, **more)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    rng, tracks = np.random.default_rng(0), 24
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(tracks)]})
    table["popularity"] = table["artist_popularity"] = rng.uniform(0, 100, tracks).round()
    table["tempo"] = rng.normal(120, 9, tracks)
    table["genre"] = ["K-Pop", "rock"] * (tracks // 2)
    table["lyrics"] = [f"night and day number {n} of the road" for n in range(tracks)]
    for number in range(4):
        recording(folder / f"{number}.wav", rate=22_050)
    table["audio"] = [f"{n % 4}.wav" for n in range(tracks)]
    table.to_csv(folder / "tracks.csv", index=False)
    cleaning = LyricsCleaning(detect_language=True)
    import_table(folder / "tracks.csv", folder / "corpus", lyrics=cleaning)
    corpus = Corpus.open(folder / "corpus")
    settings = {
        "mel_cnn": {"frames": 96, "mel_bands": 64},
        "lyrics_lstm": {"max_words": 16, "buckets": 99, "word_size": 4, "states": 4, "units": 4},
    }
    encoders = corpus_encoders(
        corpus, "mel,lyrics=lyrics_lstm,style,meta=tabular", settings=settings
    )
    for encoder in encoders.values():
        extract_features(corpus, encoder, jobs=1)
    training = TrainingConfig(epochs=1, batch_size=8, max_learning_rate=0.01, coverage=0.9)
    split = make_split("random", corpus, validation=0.5)
    made = new_run(folder / "run", corpus, encoders, split, task="tiers-3", training=training)
    train(made, corpus)
    return folder / "run"


@pytest.fixture(scope="module")
def site(run: Path) -> Path:
    return export_run(run, run.parent / "page", kind="web", onnxruntime_web="npm").folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not os.environ.get("CI"):
        pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page(site: Path, browser: Any) -> Iterator[Any]:
    """The page, on a phone, from Python's file server; errors and foreign requests fail."""
    handler = functools.partial(Quiet, directory=str(site))
    wrong: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        opened = browser.new_page(viewport={"width": 390, "height": 800})
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        opened.on(
            "request",
            lambda asked: (
                wrong.append(f"{asked.method} {asked.url}")
                if not asked.url.startswith(home) or asked.method != "GET"
                else None
            ),
        )
        opened.goto(home)
        yield opened
        server.shutdown()
    assert wrong == []


def answered(page: Any, song: Path | dict[str, Any]) -> Any:
    page.set_input_files("input[name=audio]", song)
    page.get_by_role("button", name="Predict").press("Enter")
    page.wait_for_selector("#result[aria-busy=true]", state="detached")
    return page


def scored(page: Any, song: Path) -> dict[str, Any]:
    """What the page's model answers, unrounded, with the spectrogram `mel` that it was given."""
    page.set_input_files("input[name=audio]", song)
    answer: dict[str, Any] = page.evaluate(
        """async () => {
          const { song } = await import("./song.js"), { predict } = await import("./model.js");
          const seen = {};
          const keep = (result) => { seen[result.modality] = result; };
          const answer = await predict(song(), keep);
          const { module, features, settings } = seen.mel;
          const { values, ...picture } = module.picture(features, settings);
          picture.values = Array.from(values);
          return { ...answer, mel: Array.from(features.log_mel), picture };
        }"""
    )
    return answer


def fill(page: Any) -> None:
    page.get_by_label("lyrics").fill(LYRICS)
    page.get_by_label("tempo BPM").fill("130")
    page.get_by_label("genre").fill("K-Pop")


@dataclass(frozen=True)
class InPython:
    """The bundle's own predictions without the modality that the page lacks.

    Attributes:
        mel: The spectrogram, decibels.
        prediction: What `predict` says.
        of_page: What it says when it is given the page's spectrogram.
    """

    mel: np.ndarray[Any, Any]
    prediction: TrackPrediction
    of_page: TrackPrediction


def predicted(site: Path, song: Path, mel: list[float]) -> InPython:
    """What Python makes of a song, and of the page's spectrogram of it."""
    predictor = Predictor(Bundle(site))
    track = checked_track("song", {"audio": song}, {"lyrics": LYRICS}, FIELDS)
    (extracted,) = predictor.extractor([track])
    lacking = dataclasses.replace(extracted, outcomes={**extracted.outcomes, "style": None})
    ours = extracted.features["mel"]["log_mel"]
    theirs = {"log_mel": np.reshape(np.array(mel, np.float32), ours.shape)}
    page = dataclasses.replace(lacking, outcomes={**lacking.outcomes, "mel": theirs})
    return InPython(ours, *predictor.predict_extracted([lacking, page]))


@pytest.mark.parametrize(
    ("name", "rate", "decibels"),
    [
        ("same.wav", 22_050, SAME_SAMPLES),
        ("song.mp3", 44_100, OTHER_SAMPLES),
        ("song.flac", 48_000, OTHER_SAMPLES),
        ("song.ogg", 32_000, OTHER_SAMPLES),
    ],
)
def test_the_page_scores_as_predict_does(
    page: Any, site: Path, tmp_path: Path, name: str, rate: int, decibels: tuple[float, float]
) -> None:
    song = recording(tmp_path / name, rate=rate)
    fill(page)
    given = scored(page, song)
    python = predicted(site, song, given["mel"])
    apart = np.abs(python.mel.astype(np.float32) - np.reshape(given["mel"], python.mel.shape))
    means = apart[:-HIGHEST].mean(), apart[-HIGHEST:].mean()
    assert np.less_equal(means, decibels).all(), means
    # From the same spectrogram, the same picture and the same answer.
    theirs = np.reshape(np.array(given["mel"], "float16"), python.mel.shape)
    picture = Bundle(site).encoders["mel"].picture({"log_mel": theirs})
    assert picture is not None
    assert given["picture"] == {
        "caption": picture.caption,
        "height": len(picture.values),
        "width": picture.values.shape[1],
        "values": picture.values.ravel().tolist(),
    }
    of_page, wanted = python.of_page, python.prediction
    assert given["popularity"] == pytest.approx(of_page.popularity, abs=SAME_GRAPH)
    assert given["scores"] == pytest.approx(of_page.scores, abs=SAME_GRAPH / 100)
    points = SAME_GRAPH + float(np.dot(POINTS_PER_DECIBEL, decibels))
    assert given["popularity"] == pytest.approx(wanted.popularity, abs=points)
    assert given["tier_label"] == wanted.tier_label
    assert given["tier_set"] == [*wanted.tier_set]
    assert given["missing"] == ["style"]
    assert given["missing_parts"] == {m: [*parts] for m, parts in wanted.missing_parts.items()}


def test_a_word_that_no_training_track_has_is_told(page: Any, site: Path, tmp_path: Path) -> None:
    track = checked_track("song", {}, {}, {"genre": "Zydeco"})
    (note,) = [w for w in Predictor(Bundle(site)).predict([track])[0].warnings if "Zydeco" in w]
    for genre, told in (("Zydeco", [note]), ("ROCK", []), ("n/a", []), ("", [])):
        page.get_by_label("genre").fill(genre)
        warnings = scored(page, recording(tmp_path / "song.wav"))["warnings"]
        assert [w for w in warnings if "as genre" in w] == told
    assert page.locator("datalist option").count() == 2 + 1
    assert "as no training song has them: acousticness, " in page.inner_text("form")
    assert page.get_by_label("acousticness").count() == 0


def test_a_page_detects_no_language_and_says_so(page: Any, tmp_path: Path) -> None:
    for lyrics, language, told in (("la la", "", 1), ("la la", "en", 0), ("", "", 0)):
        page.get_by_label("lyrics").fill(lyrics)
        page.get_by_label("language").fill(language)
        warnings = scored(page, recording(tmp_path / "song.wav"))["warnings"]
        assert len([w for w in warnings if "detected by `predict`" in w]) == told


def test_the_page_is_used_by_keyboard_on_a_phone(page: Any, tmp_path: Path) -> None:
    song = recording(tmp_path / "song.mp3")
    page.set_input_files("input[name=audio]", song)
    page.get_by_label("tempo BPM").fill("")
    page.get_by_label("tempo slider").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_label("tempo BPM").input_value()
    page.get_by_label("tempo BPM").press("Enter")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.locator("#tiers tbody tr").count() == 3
    notes = page.inner_text("#notes")
    assert "style can't be used in this page: stylometry extracts its features in Python" in notes
    picture = page.locator("canvas")
    assert "Mel spectrogram of 2.23 s" in picture.get_attribute("aria-label")
    drawn = "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, 96, 64).data).size"
    assert picture.evaluate(drawn) > 50
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("About this page").press("Enter")
    assert "onnxruntime-web 1.30.0: MIT" in page.inner_text("details")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"?", "mel can't be used: a.mp3 can't be decoded: it is damaged"),
        (b"", "mel can't be used: a.mp3 can't be decoded: it is damaged"),
    ],
)
def test_a_damaged_recording_is_told(page: Any, content: bytes, said: str) -> None:
    answered(page, {"name": "a.mp3", "mimeType": "", "buffer": content})
    assert said in page.inner_text("#error")
    assert not page.locator("#answer").is_visible()


def test_a_silent_recording_and_a_number_out_of_range_are_told(page: Any, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(44_100), 44_100)
    answered(page, tmp_path / "silence.wav")
    assert "silence.wav is silent in the part that is analysed" in page.inner_text("#error")
    page.get_by_label("tempo BPM").fill("5000")
    answered(page, recording(tmp_path / "song.wav"))
    assert "tempo must be from 10 to 1000. Received: 5000" in page.inner_text("#error")


def test_lyrics_are_cleaned_and_split_as_in_python(page: Any) -> None:
    cleaned = page.evaluate(
        """async ([texts, how]) => {
          const { cleanedLyrics } = await import("./lyrics.js");
          return texts.map((text) => cleanedLyrics(text, how));
        }""",
        [[*TEXTS, LYRICS], in_javascript()],
    )
    wanted = clean_lyrics(pd.Series([*TEXTS, LYRICS]), LyricsCleaning()).fillna("")
    assert cleaned == wanted.to_list()
    words = page.evaluate(
        """async (texts) => {
          const { wordsOf } = await import("./encoders/lyrics/words.js");
          return texts.map(wordsOf);
        }""",
        [*WORDS],
    )
    assert words == [words_of(text) for text in WORDS]


def test_the_page_is_a_bundle_as_well(
    site: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    copied = Path(shutil.copytree(site, tmp_path / "page"))
    outcome = deephits("verify", copied)
    assert outcome.code == 0, outcome.err
    (copied / "model.js").write_text("alert()", encoding="utf-8")
    assert deephits("verify", copied).code == 1


@pytest.mark.parametrize(
    ("modalities", "settings", "reason"),
    [
        ("lyrics=bert_lyrics", {}, "lyrics: a BERT is too large for a page"),
        ("mel", {"mel_cnn": {"n_fft": 1000}}, "mel: the page needs an n_fft that is a power of"),
    ],
)
def test_a_model_that_no_page_can_feed_is_refused(
    modalities: str, settings: dict[str, Any], reason: str, site: Path, tmp_path: Path
) -> None:
    encoders = resolve_modalities(modalities, settings)
    with pytest.raises(UserError, match=f"No encoder of this model works in a page. {reason}"):
        write_site(encoders, tmp_path, Bundle(site).manifest)
    assert not [*tmp_path.iterdir()]


def test_another_onnxruntime_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tgz", "w:gz"):
        pass
    with pytest.raises(UserError, match=r"has no dist/ort.wasm.bundle.min.mjs"):
        write_runtime(tmp_path / "other.tgz", tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "ort.wasm.bundle.min.mjs").write_text("//", encoding="utf-8")
    with pytest.raises(UserError, match=r"isn't that of onnxruntime-web@1.30.0"):
        write_runtime(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "web"], "A page needs onnxruntime-web to run the model. Give"),
        (["--format", "web", "--onnxruntime-web", "nowhere.tgz"], "There is no nowhere.tgz"),
        (["--onnxruntime-web", "npm"], "--onnxruntime-web is for --format web. Received: onnx"),
    ],
)
def test_mistakes_are_told(
    words: list[str], said: str, run: Path, tmp_path: Path, deephits: Callable[..., Any]
) -> None:
    outcome = deephits("export", run, tmp_path / "out", *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert not [*tmp_path.iterdir()]
