"""Damaged recordings, tables, configurations, run folders: accepted, or rejected with a reason.

    python benchmarks/fuzz.py --audio 2000 --rows 2000 --runs 500 --configurations 500

Every case runs in a worker process: one that crashes it, takes longer than the limit or raises
anything but the package's own errors is printed and counts as not survived.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as TooSlowError
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from pebble import ProcessExpired, ProcessPool

ROWS_A_TABLE = 10
FORMATS = {"mp3": "MP3", "ogg": "OGG", "flac": "FLAC", "wav": "WAV"}
COLUMNS = ("track_id", "popularity", "tempo", "key", "release_year", "duration_ms", "title")


# === What is tried ===


def recording(ending: str) -> bytes:
    """A second of a chord in stereo."""
    times = np.arange(22050) / 22050
    chord = sum(0.2 * np.sin(2 * np.pi * pitch * times) for pitch in (220, 277, 330))
    file = io.BytesIO()
    soundfile.write(file, np.stack([chord, 0.5 * chord], 1), 22050, format=FORMATS[ending])
    return file.getvalue()


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with a few of the things that happen to files."""
    content = bytearray(whole)
    # Hypothesis likes small numbers: drawn by it, most damage would hit the first bytes.
    rng = random.Random(draw(st.integers(0, 2**64)))  # noqa: S311
    for _ in range(rng.randint(1, 4)):
        header = rng.random() < 0.25
        at = rng.randrange(max(1, min(128, len(content)) if header else len(content)))
        length = rng.randint(1, 64)
        match rng.choice(("flip", "flip", "write", "cut", "insert", "repeat", "end")):
            case "flip" if content:
                content[at] ^= 1 << rng.randrange(8)
            case "write":
                content[at : at + length] = rng.randbytes(rng.randint(1, 16))
            case "cut":
                del content[at : at + length]
            case "insert":
                content[at:at] = rng.randbytes(length)
            case "end":
                del content[rng.randint(0, len(content)) :]
            case "repeat":
                content[at:at] = content[at : at + length]
    return bytes(content)


def recordings() -> st.SearchStrategy[tuple[str, bytes]]:
    made = {ending: recording(ending) for ending in FORMATS}
    return st.sampled_from(sorted(made)).flatmap(
        lambda ending: st.tuples(st.sampled_from((ending, ending, "mp3")), mutated(made[ending]))
    )


values = st.one_of(
    st.integers(-10, 110).map(str),
    st.floats().map(str),
    st.text(max_size=12),
    st.sampled_from(("", "-99", "NaN", "1e400", "0x10", "1,5", "٣", "=1+1", '"', "a\nb", "\x00")),
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV of ten rows, some of them mostly right; now and then with damaged bytes."""
    rows = []
    for number in range(ROWS_A_TABLE):
        good = [f"t{number}", "50", "120", "3", "1999", "200000", "A song"]
        spoiled = draw(st.sets(st.integers(0, len(good) - 1), max_size=4))
        rows.append([draw(values) if n in spoiled else v for n, v in enumerate(good)])
    text = pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False)
    content = text.encode("utf-8", "surrogatepass")
    return draw(mutated(content)) if draw(st.integers(0, 3)) == 0 else content


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from((10**7, 10**12, 2**63, 2**70))
    | st.floats()
    | st.sampled_from(("", "../../etc", "mel_cnn", "keras.layers.Lambda", "tiers-5"))
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@st.composite
def spoiled_runs(draw: st.DrawFn, run: Path) -> tuple[str, bytes]:
    """A file of a run, and what to put in its place."""
    name = draw(st.sampled_from(sorted(p.name for p in run.iterdir() if p.suffix != ".html")))
    # config.json is what everything else hangs on.
    name = draw(st.sampled_from((name, "config.json")))
    content = (run / name).read_bytes()
    if name.endswith(".json") and draw(st.integers(0, 3)):
        value = json.loads(content)
        for _ in range(draw(st.integers(1, 3))):
            if not (found := list(places(value))):
                break
            container, key = found[draw(st.integers(0, len(found) - 1))]
            if draw(st.booleans()) and isinstance(container, dict):
                del container[key]
            else:
                container[key] = draw(json_values)
        return name, json.dumps(value).encode("utf-8", "surrogatepass")
    return name, draw(mutated(content))


setting_values = st.one_of(
    st.integers(-2, 4).map(str),
    st.sampled_from((10**4, 10**7, 10**12, 2**63, 2**70)).map(str),
    st.floats().map(str),
    st.floats(0, 1).map(str),
    st.text(max_size=6),
    st.sampled_from(("", "none", "true", "balanced", "mel,meta", "a=b", "meta=1,mel=nan", "../x")),
)


@st.composite
def configurations(draw: st.DrawFn, corpus: Path) -> list[str]:
    """A command line of `build` or, one in four, of `train`, with some settings of any value."""
    from deephits_keras.cli.build import build
    from deephits_keras.cli.train import train
    from deephits_keras.encoders.registry import registry

    training = draw(st.integers(0, 3)) == 0
    verb = train if training else build
    names = [o for p in verb.params for o in p.opts if o.startswith("--") and not p.is_flag]
    # Many epochs are no hang, and where tasks run and files go is no setting of a model.
    left_out = {"--epochs", "--out", "--plot", "--modalities", "--engine", "--scheduler", "--jobs"}
    names = sorted(set(names) - left_out)
    own = [
        f"--{owner}-{name}"
        for encoder in registry().load_working().values()
        for owner in (encoder.modality, encoder.name)
        for name in encoder.Config.__dataclass_fields__
    ]
    modalities = "meta" if training else draw(st.sampled_from(("mel,lyrics,meta", "mel=mel_crnn")))
    given = {"--modalities": modalities}
    for name in draw(st.lists(st.sampled_from(names) | st.sampled_from(own), max_size=3)):
        option = next((p for p in verb.params if name in p.opts), None)
        choices = getattr(option and option.type, "choices", None)
        given[name] = draw(st.sampled_from(sorted(choices)) if choices else setting_values)
    words = [f"{name}={value}" for name, value in given.items()]
    if not training:
        return ["build", *words]
    return ["train", str(corpus), "RUN", "--epochs=1", "--jobs=1", *words]


# === Trying it, in a worker process ===


def try_recording(case: tuple[str, bytes], folder: Path) -> str:
    from deephits_plugins.mel_cnn import MelCNN

    from deephits_keras.encoders.features import ExtractionError
    from deephits_keras.tracks import Track

    path = folder / f"{os.getpid()}.{case[0]}"
    path.write_bytes(case[1])
    [outcome] = MelCNN.from_config({"frames": 64}).extract_many([Track("t", audio=path)])
    if isinstance(outcome, ExtractionError):
        assert outcome.reason
        return "rejected"
    assert outcome is not None
    assert np.isfinite(outcome["log_mel"]).all(), "values that aren't finite were accepted"
    return "accepted"


def try_table(content: bytes, folder: Path) -> str:
    from deephits_keras.corpus import import_table
    from deephits_keras.errors import DeepHitsError
    from deephits_keras.features.extraction import corpus_encoders, extract_features

    place = folder / f"{os.getpid()}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    (place / "tracks.csv").write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            summary = import_table(place / "tracks.csv", place / "corpus")
        total = len(summary.corpus) + sum(summary.rejected.values())
        assert total == summary.source_rows, "a row was lost without a word"
        for encoder in corpus_encoders(summary.corpus, "meta").values():
            extract_features(summary.corpus, encoder, jobs=1)
    except DeepHitsError as error:
        assert str(error)  # noqa: PT017
        return "rejected"
    return "accepted"


def try_run(case: tuple[str, bytes], folder: Path, whole: Path) -> str:
    from click.testing import CliRunner

    from deephits_keras.cli import main
    from deephits_keras.errors import DeepHitsError
    from deephits_keras.report.run_report import write_report

    run = folder / f"run{os.getpid()}"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(whole, run)
    (run / case[0]).write_bytes(case[1])
    codes = []
    for words in (["verify"], ["predict", "--set", "tempo=120"], ["evaluate"]):
        outcome = CliRunner().invoke(_as_command(main), [words[0], str(run), *words[1:]])
        if outcome.exit_code not in (0, 1, 2) or not isinstance(
            outcome.exception, SystemExit | None
        ):
            raise RuntimeError(f"deephits {words[0]}: {outcome.exception!r}")
        codes.append(outcome.exit_code)
    try:
        write_report(run)
    except DeepHitsError:
        codes.append(2)
    # `verify` finds nearly all of it: what counts is whether the others took it.
    return "rejected" if any(codes[1:]) else "accepted"


def try_configuration(words: list[str], folder: Path) -> str:
    from click.testing import CliRunner

    from deephits_keras.cli import main

    run = folder / f"configured{os.getpid()}"
    shutil.rmtree(run, ignore_errors=True)
    words = [str(run) if word == "RUN" else word for word in words]
    outcome = CliRunner().invoke(_as_command(main), words)
    if outcome.exit_code not in (0, 1, 2) or not isinstance(outcome.exception, SystemExit | None):
        raise RuntimeError(f"deephits {words}: {outcome.exception!r}")
    return "rejected" if outcome.exit_code else "accepted"


def _as_command(main: Callable[..., None]) -> Any:
    import click

    @click.command(context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def command(words: tuple[str, ...]) -> None:
        main(list(words))

    return command


def be_quiet() -> None:
    """Decoders and verbs talk: in a worker nobody listens."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


# === Counting ===


def fuzz(
    what: str,
    cases: st.SearchStrategy[Any],
    trial: Callable[..., str],
    *words: Any,
    count: int,
    seed: int = 0,
    seconds: float = 60,
    rows: int = 1,
) -> int:
    """Draw cases, try each in a worker, and tell what came of them.

    Args:
        what: What the cases are.
        cases: Where they come from.
        trial: Called in the worker with a case and `words`.
        words: What else it takes.
        count: How many cases.
        seed: Seed of the cases.
        seconds: Limit of one case.
        rows: Rows in a case, if those are what counts.

    Returns:
        How many did not survive.
    """
    futures: list[tuple[Any, Any]] = []
    told = {"accepted": 0, "rejected": 0}
    with ProcessPool(max_workers=2, initializer=be_quiet) as pool:

        @with_seed(seed)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def draw(case: Any) -> None:
            futures.append((case, pool.schedule(trial, args=(case, *words), timeout=seconds)))

        draw()
        died = 0
        for case, future in futures:
            try:
                told[future.result()] += 1
            except (TooSlowError, ProcessExpired, Exception) as error:
                died += 1
                print(f"{what}: {type(error).__name__}: {error}\n    {case!r:.300}", flush=True)
    tried = len(futures) * rows
    share = ", ".join(f"{n * rows} {name}" for name, n in told.items())
    print(f"{what}: {tried} tried, {tried - died * rows} survived ({share})", flush=True)
    return died


def train_run(folder: Path) -> Path:
    """A finished run on columns alone, whose corpus lies beside it."""
    from deephits_keras.cli import main
    from deephits_keras.corpus import import_table

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"track_id": [f"t{n}" for n in range(40)]})
    table["popularity"], table["tempo"] = rng.integers(0, 101, 40), rng.normal(120, 9, 40)
    table.to_csv(folder / "tracks.csv", index=False)
    import_table(folder / "tracks.csv", folder / "corpus")
    words = ["train", folder / "corpus", folder / "run", "--modalities", "meta"]
    words += ["--epochs", "1", "--batch-size", "8", "--task", "tiers-3", "--jobs", "1"]
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        assert not stop.code  # noqa: PT017
    return folder / "run"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--configurations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    died, tried = 0, 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if count := options.audio:
            died += fuzz(
                "recordings", recordings(), try_recording, folder, count=count, seed=options.seed
            )
            tried += count
        if count := math.ceil(options.rows / ROWS_A_TABLE):
            more = {"count": count, "rows": ROWS_A_TABLE, "seed": options.seed}
            died += fuzz("table rows", tables(), try_table, folder, **more) * ROWS_A_TABLE
            tried += count * ROWS_A_TABLE
        if options.runs or options.configurations:
            # In a worker: TensorFlow must not be running in a process that is forked.
            with ProcessPool(max_workers=1, initializer=be_quiet) as pool:
                run = pool.schedule(train_run, args=(folder,)).result()
        if count := options.configurations:
            died += fuzz(
                "configurations",
                configurations(folder / "corpus"),
                try_configuration,
                folder,
                count=count,
                seed=options.seed,
                seconds=300,  # one of them trains
            )
            tried += count
        if count := options.runs:
            cases = spoiled_runs(run)
            died += fuzz("run folders", cases, try_run, folder, run, count=count, seed=options.seed)
            tried += count
    print(f"{tried} tried, {tried - died} survived")
    return 1 if died else 0


if __name__ == "__main__":
    raise SystemExit(main())
