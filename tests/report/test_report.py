"""The report: one whole, safe, honest page of a run's own figures."""

import base64
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from deephits_keras.corpus import import_table
from deephits_keras.errors import UserError
from deephits_keras.report.run_report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """A page's text, its headings and what it loads; refuses tags that don't match."""

    def __init__(self, html):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.text = ""
        self.headings: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href", "srcset", "data", "action")]
        assert not [k for k, _ in attrs if k.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("th", "td"):
            self.text += " "

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            assert not re.search(r"url\(|@import", data)
        else:
            self.text += data
            if self.open and self.open[-1] in ("h1", "h2"):
                self.headings.append(" ".join(data.split()))

    @property
    def pictures(self):
        prefix = "data:image/svg+xml;base64,"
        uris = [uri for uri in self.loads if not uri.startswith("#")]
        return [base64.b64decode(uri.removeprefix(prefix)).decode() for uri in uris]


def read(folder):
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    page.text = " ".join(page.text.split())
    return page


def change(folder, name, edit):
    values = json.loads((folder / name).read_text())
    edit(values)
    (folder / name).write_text(json.dumps(values))


@pytest.mark.parametrize("task", ["tiers-10", "tiers-3", "regression"])
def test_the_page_has_every_section_and_loads_nothing(make_run, task):
    page = read(make_run(task))
    assert page.headings[1:] == [
        "All metrics",
        "Training",
        "Held-out tracks",
        "Worst predicted",
        "Explanations",
        "Model",
        "Missing inputs",
        "Settings",
        "Reproduce this run",
    ]
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert len(page.pictures) == 7
    for picture in page.pictures:
        assert picture.rstrip().endswith("</svg>")
        assert "<script" not in picture
        assert all(ref.startswith("#") for ref in re.findall(r'href="([^"]{,9})', picture)
                   if not ref.startswith("data:"))  # fmt: skip


def test_the_metrics_are_the_runs_own(make_run):
    folder = make_run("tiers-10")
    figures = json.loads((folder / "metrics.json").read_text())["parts"]["validation"]["tiers-10"]
    page = read(folder)
    for name, text in {
        "macro_f1": "{:.1%}",
        "accuracy": "{:.1%}",
        "within_one_tier": "{:.1%}",
        "tier_mae": "{:.2f}",
        "roc_auc": "{:.3f}",
        "pr_auc": "{:.3f}",
    }.items():
        # Once in its tile, once in the table.
        assert page.text.count(text.format(figures[name])) >= 2
    assert "majority: " in page.text
    assert "deephits train demo/corpus demo/run --epochs 12" in page.text
    assert "477,322" in page.text
    assert "lyrics 411 of 2,880 (14.3%) 102 of 720 (14.2%) a learned embedding" in page.text


def test_a_regression_leads_with_its_errors(make_run):
    folder = make_run("regression")
    figures = json.loads((folder / "metrics.json").read_text())["parts"]["validation"]
    page = read(folder)
    assert page.headings[0].startswith("Popularity as a number")
    before_the_table = page.text.split("All metrics")[0]
    assert f"MAE {figures['regression']['mae']:.2f}" in before_the_table
    assert f"MSE {figures['regression']['mse']:.1f}" in before_the_table
    assert "ROC-AUC" not in page.text
    assert "tiers-10" in page.text
    assert "tiers-3" in page.text


def test_without_a_test_part_the_page_says_that_its_figures_are_optimistic(make_run):
    page = read(make_run(parts={"validation": 300}))
    assert "Metrics of the 300 validation tracks" in page.text
    assert "on these same tracks" in page.text
    assert "optimistic" in page.text


def test_a_test_parts_metrics_come_first(make_run):
    folder = make_run(parts={"validation": 300, "test": 500})
    parts = json.loads((folder / "metrics.json").read_text())["parts"]
    page = read(folder)
    assert "500 test tracks, which were not used for training or selection" in page.text
    assert "optimistic" not in page.text
    assert (
        f"Macro-F1 {parts['test']['tiers-10']['macro_f1']:.1%}" in page.text.split("Metrics of")[0]
    )


def test_only_a_synthetic_corpus_is_called_one(make_run):
    folder = make_run()
    assert "SYNTHETIC CORPUS" in read(folder).text
    change(folder, "config.json", lambda config: config["corpus"].update(synthetic=False))
    assert "SYNTHETIC" not in read(folder).text


def test_what_is_not_defined_is_called_so(make_run):
    folder = make_run(baselines=False)
    change(
        folder,
        "metrics.json",
        lambda metrics: (
            metrics["parts"]["validation"]["tiers-10"].update(roc_auc=None),
            metrics["parts"]["validation"]["tiers-10"].pop("pr_auc"),
            metrics.pop("missing"),
        ),
    )
    page = read(folder)
    # Neither a tile nor a row is left of them.
    assert "Not defined on these tracks: ROC-AUC." in page.text
    assert page.text.count("ROC-AUC") == 1
    assert "PR-AUC" not in page.text
    assert "majority" not in page.text
    assert "Missing inputs" not in page.headings


def test_a_model_worse_than_the_baseline_says_so_first(make_run):
    folder = make_run("tiers-3")
    assert "Worse than the baseline" not in read(folder).text
    worse = {"accuracy": 0.1234, "macro_f1": 0.0567}
    change(
        folder,
        "metrics.json",
        lambda metrics: metrics["parts"]["validation"]["tiers-3"].update(worse),
    )
    page = read(folder)
    first = page.text.split("All metrics")[0]
    assert "Worse than the baseline" in first
    assert 'The baseline "majority", which always predicts the most frequent tier' in first
    assert "against 5.7%, Accuracy" in first
    assert "against 12.3%." in first
    assert (folder / "report.html").read_text().count('class="tile worse"') == 2


def test_the_baseline_of_a_regression_is_the_mean(make_run):
    page = read(make_run("regression"))
    assert "majority" not in page.text
    assert "mean, validation" in page.text
    assert "it always predicts the mean popularity of the training tracks" in page.text


def test_the_worst_predicted_tracks_come_with_their_errors(make_run):
    folder = make_run()
    tracks = pd.read_parquet(folder / "predictions.parquet")
    errors = tracks["predicted_popularity"] - tracks["popularity"]
    worst = tracks.iloc[int(errors.abs().to_numpy().argmax())]
    text = read(folder).text.split("Worst predicted")[-1]
    first = text.split("predicted tier", 1)[1].split()
    assert first[:2] == [worst["track_id"], f"{worst['popularity']:.1f}"]
    assert float(first[3]) == pytest.approx(errors.abs().max().round(1) * np.sign(float(first[3])))


def test_the_worst_predicted_tracks_are_named_as_long_as_the_corpus_is_there(make_run, tmp_path):
    folder = make_run(parts={"validation": 40})
    songs = pd.DataFrame({"track_id": [f"t{n}" for n in range(40)], "popularity": 1})
    songs = songs.assign(title=[f"Song <{n}>" for n in range(40)], artist_name="Duo & Co")
    songs.to_csv(tmp_path / "songs.csv", index=False)
    corpus = import_table(tmp_path / "songs.csv", tmp_path / "corpus").corpus
    told = {"folder": str(corpus.folder), "fingerprint": corpus.fingerprint}
    change(folder, "config.json", lambda config: config["corpus"].update(told))
    tracks = pd.read_parquet(folder / "predictions.parquet")
    errors = (tracks["predicted_popularity"] - tracks["popularity"]).abs()
    worst = tracks.iloc[int(errors.to_numpy().argmax())]
    text = read(folder).text.split("Worst predicted")[-1]
    assert f"Song <{worst['row']}> Duo & Co" in text.split(worst["track_id"])[1]
    change(folder, "config.json", lambda config: config["corpus"].update(fingerprint="another"))
    assert "Duo" not in read(folder).text


def test_groups_without_metrics_are_a_sentence(make_run):
    folder = make_run()
    none: dict[str, float] = {}
    few = [{"group": name, "tracks": 19, "metrics": none} for name in ("1980s", "1990s")]
    groups = {"decade": {"groups": few, "others": 0, "other_tracks": 0}}
    change(folder, "metrics.json", lambda metrics: metrics.update(groups=groups))
    text = read(folder).text
    assert "none of the 2 groups has 20 tracks, the largest has 19" in text
    assert "bootstrap samples of each group" not in text
    assert "1980s" not in text


def test_date_and_duration_are_told_where_the_run_knows_them(make_run):
    folder = make_run()
    assert "UTC" not in read(folder).text
    told = {"created": "2026-11-28T08:30:00Z", "training_seconds": 725.4}
    change(folder, "config.json", lambda config: config.update(told))
    assert "2,880 of 3,600 tracks on 2026-11-28 08:30:00 UTC in 12 min 5 s." in read(folder).text


@pytest.mark.skipif(
    not CHROMIUM and not (os.environ.get("CI") and sys.platform == "linux"),
    reason="needs Chromium",
)
def test_a_narrow_page_breaks_no_option_and_needs_no_sideways_scrolling(make_run):
    if not os.environ.get("CI"):
        pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    command = f"deephits train corpus run {'--max-learning-rate 0.1 ' * 12}{'long/' * 30}corpus"
    told = {"created": "2026-11-28T08:30:00Z", "command": command}
    folder = make_run(parts={"validation": 720, "test": 720})
    change(folder, "config.json", lambda config: config.update(told))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page(viewport={"width": 500, "height": 800})
        page.goto(write_report(folder).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == 500
        assert page.locator("pre").inner_text() == command
        height = page.locator("pre .word").first.bounding_box()["height"]
        options = page.locator("pre .word", has_text="--max-learning-rate").all()
        assert [each.bounding_box()["height"] for each in options] == [height] * 12
        # What each metric means is told here, too.
        assert page.get_by_text("fraction of tracks in the correct tier").is_visible()
        browser.close()


def test_explanations_are_linked_to_and_warnings_and_unseen_columns_are_said_first(make_run):
    folder = make_run()
    (folder / "explain").mkdir()
    for name in ("track-a b", "importance"):
        (folder / f"explain/{name}.html").touch()
    change(
        folder,
        "metrics.json",
        lambda metrics: metrics.update(
            warnings=["<b>Odd</b>."], unseen_columns={"meta": ["tempo", "key"]}
        ),
    )
    page = Page(write_report(folder).read_text())
    links = [link for link in page.loads if not link.startswith(("#", "data:"))]
    assert links == ["explain/importance.html", "explain/track-a%20b.html"]
    first = " ".join(page.text.split()).split("All metrics")[0]
    assert "<b>Odd</b>." in first
    assert "empty in the training tracks: meta: tempo, key." in first


def test_recall_is_not_drawn_where_there_is_none(make_run):
    folder = make_run("tiers-3")
    path = folder / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(tier=(table["true_tier"] + 1) % 3).to_parquet(path)
    page = read(folder)
    assert len(page.pictures) == 6
    assert "No validation track is predicted in its true tier" in page.text


def test_pictures_follow_a_dark_page(make_run):
    page = read(make_run())
    for picture in page.pictures:
        assert "@media screen and (prefers-color-scheme:dark)" in picture
        # Nothing is painted white behind it.
        assert not re.search(r'<path[^>]*style="fill: #ffffff"', picture)


def test_names_from_outside_are_text(make_run):
    folder = make_run()
    hostile = "<script>alert(1)</script>"

    def poison(config):
        config["modalities"]["mel"]["config"] = {hostile: '"><img src=x onerror=alert(1)>'}
        config["command"] = f"deephits train '{hostile}'"
        config["corpus"]["folder"] = hostile

    change(folder, "config.json", poison)
    # To matplotlib a dollar sign begins a formula, and this one is malformed.
    change(
        folder,
        "architecture.json",
        lambda a: a["branches"][0].update(encoder=f"$\\frac{{${hostile}", modality="$$"),
    )
    page = read(folder)
    assert "script" not in page.tags
    assert page.text.count(hostile) >= 3
    assert len(page.pictures) == 7


def test_the_same_run_gives_the_same_bytes_whatever_the_users_style(make_run):
    folder = make_run()
    once = write_report(folder).read_bytes()
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "svg.fonttype": "none"}):
        assert write_report(folder).read_bytes() == once


@pytest.mark.parametrize(
    "name",
    ["config.json", "metrics.json", "architecture.json", "history.csv", "predictions.parquet"],
)
def test_an_unfinished_run_is_refused_by_what_it_lacks(make_run, name):
    folder = make_run()
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        write_report(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("name", ["history.csv", "predictions.parquet"])
def test_a_damaged_table_is_refused_by_name(make_run, name):
    folder = make_run()
    (folder / name).write_bytes(b"\x00\xff" * 50)
    with pytest.raises(UserError, match=name):
        write_report(folder)


def test_tiers_that_the_task_lacks_are_refused(make_run):
    folder = make_run("tiers-3")
    path = folder / "predictions.parquet"
    pd.read_parquet(path).assign(tier=7).to_parquet(path)
    with pytest.raises(UserError, match="tiers that the task lacks"):
        write_report(folder)


def test_predictions_without_a_column_are_refused_by_its_name(make_run):
    folder = make_run("tiers-3")
    path = folder / "predictions.parquet"
    pd.read_parquet(path).drop(columns="predicted_popularity").to_parquet(path)
    with pytest.raises(UserError, match="predicted_popularity"):
        write_report(folder)
