"""The static page of a model: HTML, scripts, and what they need to know of the model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephits_keras.corpus import lyrics
from deephits_keras.corpus.unknown import UNKNOWN
from deephits_keras.encoders.browser import BrowserHalf
from deephits_keras.encoders.features import PRESENT, input_name
from deephits_keras.encoders.inputs import LYRICS
from deephits_keras.encoders.registry import AnyEncoder
from deephits_keras.errors import UserError
from deephits_keras.export.files import ENCODERS
from deephits_keras.export.form import FieldInfo, fields_of, read_by
from deephits_keras.export.manifest import Manifest
from deephits_keras.export.web.runtime import VERSION
from deephits_keras.features.words import listed
from deephits_keras.report.pages import SONG_SCRIPT, render_page
from deephits_keras.tasks import get_task
from deephits_keras.utils.files import write_json, write_text

PAGE, DATA = "index.html", "page.json"
HERE = Path(__file__).parent
SCRIPTS = (
    HERE / "page.js",
    HERE / "model.js",
    HERE / "decoding.js",
    Path(lyrics.__file__).with_suffix(".js"),
    SONG_SCRIPT,
)

LONGEST_TEXT = 100_000


@dataclass(frozen=True)
class PageInfo:
    """A model as its page shows it.

    Attributes:
        task: Its task.
        modalities: Encoder by modality.
        fields: Fields that the page asks for.
        texts: Names of the texts.
        files: Names of the files.
        scores: Whether it gives scores of the tiers.
    """

    task: str
    modalities: dict[str, str]
    fields: tuple[FieldInfo, ...]
    texts: tuple[str, ...]
    files: tuple[str, ...]
    scores: bool


def write_site(encoders: Mapping[str, AnyEncoder], folder: Path, manifest: Manifest) -> None:
    """Write a page that scores songs with the graph in its folder.

    A modality whose encoder has no JavaScript counts as missing in it.

    Args:
        encoders: The model's encoders, by modality.
        folder: The folder.
        manifest: Description of the model.

    Raises:
        UserError: if no encoder has JavaScript.
    """
    halves, reasons = browser_halves(encoders)
    if not halves:
        told = "; ".join(f"{modality}: {reason}" for modality, reason in reasons.items())
        raise UserError(f"No encoder of this model works in a page. {told}")
    for path in SCRIPTS:
        shutil.copyfile(path, folder / path.name)
    for modality, half in halves.items():
        own = folder / ENCODERS / modality
        own.mkdir(parents=True)
        for path in half.modules:
            shutil.copyfile(path, own / path.name)
    write_json(folder / DATA, _data(encoders, halves, reasons, manifest))
    write_text(folder / PAGE, _page(encoders, halves, reasons, manifest))


def browser_halves(
    encoders: Mapping[str, AnyEncoder],
) -> tuple[dict[str, BrowserHalf], dict[str, str]]:
    """The encoders' JavaScript by modality, and the reasons of those that have none."""
    halves: dict[str, BrowserHalf] = {}
    reasons: dict[str, str] = {}
    for modality, encoder in encoders.items():
        try:
            halves[modality] = encoder.browser_half()
        except UserError as error:
            reasons[modality] = str(error)
    return halves, reasons


def _page(
    encoders: Mapping[str, AnyEncoder],
    halves: Mapping[str, BrowserHalf],
    reasons: Mapping[str, str],
    manifest: Manifest,
) -> str:
    read = read_by(encoders[modality] for modality in halves)
    task = get_task(manifest.run.task)
    info = PageInfo(
        task=task.name,
        modalities={modality: encoder.name for modality, encoder in encoders.items()},
        fields=fields_of(
            {modality: encoders[modality] for modality in halves},
            manifest.run.words,
            manifest.unseen_columns,
        ),
        texts=tuple(each.name for each in read if each.kind == "text"),
        files=tuple(each.name for each in read if each.kind == "file"),
        scores=task.kind == "classification",
    )
    return render_page(
        __package__,
        "index.html.jinja",
        synthetic=bool(manifest.run.corpus["synthetic"]),
        info=info,
        reasons=reasons,
        licences=manifest.licences,
        runtime=VERSION,
        max_letters=LONGEST_TEXT,
    )


def _data(
    encoders: Mapping[str, AnyEncoder],
    halves: Mapping[str, BrowserHalf],
    reasons: Mapping[str, str],
    manifest: Manifest,
) -> dict[str, Any]:
    """What `model.js` reads."""
    calibration = manifest.calibration
    task = calibration.task(manifest.run.task)
    tiers = zip(task.tiers.labels, task.tiers.bounds, strict=True)
    places = {
        input_name(modality, name): (modality, None if name == PRESENT else name)
        for modality, encoder in encoders.items()
        for name in (PRESENT, *(spec.name for spec in encoder.feature_specs))
    }
    reads = {each.name for each in read_by(encoders[modality] for modality in halves)}
    reading = manifest.run.reading(encoders[modality] for modality in halves)
    return {
        "kind": task.kind,
        "tiers": [[label, low, high] for label, (low, high) in tiers],
        "decoding": {
            "rule": task.decoding.rule,
            "alpha": task.decoding.alpha,
            "shares": list(task.decoding.shares),
        },
        "coverage": calibration.coverage or None,
        "threshold": calibration.threshold,
        "inputs": [
            {
                "name": tensor.name,
                "modality": places[tensor.name][0],
                "feature": places[tensor.name][1],
                "shape": list(tensor.shape),
                "dtype": tensor.dtype,
            }
            for tensor in manifest.inputs
        ],
        "modalities": {
            modality: _modality(modality, halves.get(modality), reasons.get(modality), manifest)
            for modality in encoders
        },
        "unknown": sorted(UNKNOWN),
        "detects_language": reading.get("lyrics", {}).get("detect_language", False),
        "words": {
            name: {"known": known, "listed": listed(known)}
            for name, known in manifest.run.words.items()
        },
        "lyrics": lyrics.in_javascript() if LYRICS.name in reads else None,
    }


def _modality(
    modality: str, half: BrowserHalf | None, reason: str | None, manifest: Manifest
) -> dict[str, Any]:
    learned = manifest.run.modalities[modality].learned_missing
    if half is None:
        return {"module": None, "reason": reason, "learned": learned}
    return {
        "module": f"./{ENCODERS}/{modality}/{half.modules[0].name}",
        "settings": dict(half.settings),
        "unseen": list(manifest.unseen_columns.get(modality, ())),
        "learned": learned,
    }
