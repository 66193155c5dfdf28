"""Tables in random dialects and formats, compared with the values that they were made of.

    python -m benchmarks.fuzz_tables --count 5000

Each is imported, and read once more as `predict --table` does. A value that isn't the original's,
a row without an answer, a refusal of a whole table and any exception but `UserError` is a fault.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import io
import json
import lzma
import random
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from deephits_keras.corpus import import_table
from deephits_keras.corpus.names import ALIASES
from deephits_keras.prediction.tables import RejectedRow, TrackTable
from deephits_keras.tracks import Track

UNKNOWN = ("", "NA", "-", "n/a", r"\N", "None", "?", "NaN", "unknown", "<NA>", "NULL")
SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "B♭", "B")
SHARES = ("energy", "valence", "danceability")
PLACES = {"energy": 3, "valence": 3, "danceability": 2, "tempo": 3, "loudness": 3}
TITLES = (
    "Uno, dos",
    "Zwei; drei",
    "Say “yes”",
    'The "One"',
    "Größe",
    "Ça va",
    "A | B",
    "1979",
    "x",
)


@dataclass
class Song:
    """A song's right values, None where unknown, and whether its row is spoiled."""

    values: dict[str, Any]
    spoiled: bool = False


@dataclass
class Style:
    """How a table writes what it holds.

    Attributes:
        names: Its name of each standard column.
        unknown: What stands for an unknown value.
        comma: Whether the decimal separator is a comma.
        thousands: What stands between the thousands of durations.
        duration: `ms`, `s` or `clock`.
        percent: `sign`, `column` or nothing.
        words: Whether keys, modes and time signatures are words.
    """

    names: dict[str, str] = field(default_factory=dict)
    unknown: str = ""
    comma: bool = False
    thousands: str = ""
    duration: str = "ms"
    percent: str = ""
    words: bool = False


def songs(rng: random.Random) -> list[Song]:
    """Some songs with some of the standard columns."""
    number = rng.randint(4, 30)
    maker = rng.choice((_hex, str, lambda n: f"spotify:track:{_hex(n)}"))
    optional: dict[str, Callable[[], Any]] = {
        "artist_popularity": lambda: rng.randint(0, 100),
        "release_date": lambda: f"{rng.randint(1950, 2024)}-{rng.randint(1, 12):02}-05",
        "duration_ms": lambda: rng.randint(90, 600) * 1000,
        "key": lambda: rng.randint(0, 11),
        "mode": lambda: rng.randint(0, 1),
        "time_signature": lambda: rng.choice((3, 4, 5)),
        "loudness": lambda: round(rng.uniform(-40, -0.1), 3),
        "tempo": lambda: round(rng.uniform(40, 220), 3),
        "energy": lambda: round(rng.uniform(0.02, 1), 3),
        "valence": lambda: round(rng.uniform(0.02, 1), 3),
        "danceability": lambda: round(rng.uniform(0.02, 1), 2),
        "title": lambda: rng.choice(TITLES),
        "genre": lambda: rng.choice(("pop", "rock, soft", "jazz")),
        "lyrics": lambda: rng.choice(('oh night\n"and" day', "la, la; lo", "dans l'été\nrien")),
    }
    chosen = rng.sample(sorted(optional), rng.randint(2, len(optional)))
    found = []
    for place in range(number):
        values: dict[str, Any] = {
            "track_id": maker(place * 7919),
            "popularity": rng.randint(2, 100),
        }
        for name in chosen:
            # The first rows have every value: a column of which nothing is known has no unit.
            known = place < 3 or rng.random() > 0.15
            values[name] = optional[name]() if known else None
        found.append(Song(values))
    return found


def _hex(number: int) -> str:
    return f"{number * 2654435761 + 10**20:x}z"


def style(rng: random.Random, columns: list[str], *, text: bool) -> Style:
    """A style that a table of some columns may have."""
    names = {}
    for name in columns:
        spelled = rng.choice((name, name, *ALIASES.get(name, ())[:3]))
        if name == "duration_ms":
            spelled = "duration_ms"
        names[name] = rng.choice((str, str.upper, str.title))(spelled)
    found = Style(names, rng.choice(UNKNOWN) if text else "")
    found.percent = rng.choice(("", "", "sign" if text else "", "column"))
    found.duration = rng.choice(("ms", "s", "clock" if text else "ms"))
    if found.duration == "s" and "duration_ms" in names:
        names["duration_ms"] = rng.choice(("duration", "duration_s", "Length", "duration_ms"))
    if text:
        found.comma = rng.random() < 0.3
        found.thousands = rng.choice(("", "", ",", ".", " ", "'"))
        found.words = rng.random() < 0.4
    return found


def cell(name: str, value: Any, how: Style) -> Any:
    """A value as a text table of a style writes it."""
    if value is None:
        return how.unknown
    if name in SHARES and how.percent:
        text = f"{value * 100:.{PLACES[name] - 2}f}" + ("%" if how.percent == "sign" else "")
        return text.replace(".", ",") if how.comma else text
    if name in PLACES:
        text = f"{value:.{PLACES[name]}f}"
        return text.replace(".", ",") if how.comma else text
    if name == "duration_ms":
        seconds = value // 1000
        if how.duration == "clock":
            return f"{seconds // 60}:{seconds % 60:02}"
        return str(seconds) if how.duration == "s" else f"{value:,}".replace(",", how.thousands)
    if how.words and name == "key":
        return (SHARPS if value % 2 else FLATS)[value]
    if how.words and name == "mode":
        return ("Minor", "Major")[value]
    if how.words and name == "time_signature":
        return f"{value}/4"
    return str(value)


def native(name: str, value: Any, how: Style) -> Any:
    """A value as a table with types holds it."""
    if value is None:
        return None
    if name in SHARES and how.percent:
        return round(value * 100, 3)
    return value // 1000 if name == "duration_ms" and how.duration == "s" else value


# === Formats ===


def write_text(rng: random.Random, table: list[Song], how: Style, folder: Path) -> Path:
    """A CSV of any kind, perhaps with a spoiled line, perhaps compressed."""
    columns = list(table[0].values)
    # Two commas in one table: the decimal comma is quoted then.
    separator = rng.choice(",;\t|")
    end = rng.choice(("\n", "\r\n"))
    file = io.StringIO(newline="")
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting)
    index = rng.random() < 0.2
    before = rng.choice(("", "", "", "# made by me\n", "\n", f"sep={separator}\n", "#"))
    writer.writerow([*[""] * index, *(how.names[name] for name in columns)])
    texts = [file.getvalue()]
    if before == "#" and index:
        before = ""
    for place, song in enumerate(table):
        file.seek(0)
        file.truncate()
        values = [cell(name, song.values[name], how) for name in columns]
        if place > 3 and rng.random() < 0.03:
            song.spoiled = True
            values += ["too"] * (2 + index)
        writer.writerow([*[place] * index, *values])
        texts.append(file.getvalue())
        if rng.random() < 0.03:
            texts.append(separator * (len(columns) - 1 + index) + end)
    content = (before + "".join(texts)).encode(_encoding(rng, "".join(texts)))
    return _packed(rng, content, folder / "songs.csv")


def _encoding(rng: random.Random, text: str) -> str:
    kinds = ["utf-8", "utf-8", "utf-8-sig", "utf-16"]
    try:
        text.encode("cp1252")
        kinds.append("cp1252")
    except UnicodeEncodeError:
        pass
    return rng.choice(kinds)


def _packed(rng: random.Random, content: bytes, path: Path) -> Path:
    pack: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".xz": lzma.compress,
    }
    how = rng.choice(("", "", "", ".zip", *pack))
    if how == ".zip":
        with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
            archive.writestr(path.name, content)
        return path.with_suffix(".zip")
    path = path.with_name(path.name + how)
    path.write_bytes(pack[how](content) if how else content)
    return path


def write_lines(rng: random.Random, table: list[Song], how: Style, folder: Path) -> Path:
    """JSON lines, unknown values as null or left out."""
    leave_out = rng.random() < 0.5
    lines = []
    for song in table:
        row = {how.names[n]: native(n, v, how) for n, v in song.values.items()}
        if leave_out:
            row = {name: value for name, value in row.items() if value is not None}
        lines.append(json.dumps(row, ensure_ascii=rng.random() < 0.5))
    return _packed(rng, "\n".join(lines).encode(), folder / "songs.jsonl")


def write_workbook(rng: random.Random, table: list[Song], how: Style, folder: Path) -> Path:
    """An Excel workbook."""
    import openpyxl

    del rng
    book = openpyxl.Workbook()
    book.active.append([how.names[name] for name in table[0].values])
    for song in table:
        book.active.append([native(name, value, how) for name, value in song.values.items()])
    book.save(folder / "songs.xlsx")
    return folder / "songs.xlsx"


def write_arrow(rng: random.Random, table: list[Song], how: Style, folder: Path) -> Path:
    """Parquet, Arrow's own format, or a folder of parts, in types of many widths."""
    columns = {}
    for name in table[0].values:
        values = [native(name, song.values[name], how) for song in table]
        array = pa.array(values)
        if pa.types.is_integer(array.type):
            array = array.cast(rng.choice((pa.int32(), pa.int64(), pa.float64(), pa.uint32())))
        elif pa.types.is_string(array.type):
            kind = rng.choice((pa.string(), pa.large_string(), None))
            array = array.dictionary_encode() if kind is None else array.cast(kind)
        columns[how.names[name]] = array
    found = pa.table(columns)
    kind = rng.choice(("parquet", "feather", "parts", "arrow"))
    if kind == "parts":
        (folder / "parts").mkdir()
        for number, start in enumerate(range(0, len(table), 7)):
            pq.write_table(found.slice(start, 7), folder / "parts" / f"{number:03}.parquet")
        return folder / "parts"
    path = folder / f"songs.{kind}"
    if kind == "parquet":
        pq.write_table(found, path)
    elif kind == "feather":
        pyarrow.feather.write_feather(found, path)
    else:
        with pa.ipc.new_stream(str(path), found.schema) as stream:
            stream.write_table(found)
    return path


# === Comparing ===


def try_one(seed: int, folder: Path) -> tuple[str, list[str]]:
    """Make a table, read it, and tell its kind and what was wrong."""
    rng = random.Random(seed)  # noqa: S311
    table = songs(rng)
    write = rng.choice(
        (write_text, write_text, write_text, write_lines, write_workbook, write_arrow)
    )
    how = style(rng, list(table[0].values), text=write is write_text)
    path = write(rng, table, how, folder)
    kind = "".join(path.suffixes) or "parts"
    try:
        summary = import_table(path, folder / "corpus")
        rows = list(TrackTable(path, reading=summary.corpus.reading))
    except Exception as error:
        return kind, [f"{type(error).__name__}: {error}"]
    found = pd.read_parquet(folder / "corpus" / "tracks.parquet").set_index("track_id")
    faults = []
    if len(found) + sum(summary.rejected.values()) != summary.source_rows:
        faults.append("a row was lost without a word")
    served = {row.id: row for row in rows if isinstance(row, Track)}
    spoiled = sum(isinstance(row, RejectedRow) and row.reason != "the row is blank" for row in rows)
    if spoiled != sum(song.spoiled for song in table):
        faults.append(f"{spoiled} rows were rejected: {rows!r:.300}")
    for song in (song for song in table if not song.spoiled):
        track_id = str(song.values["track_id"]).removeprefix("spotify:track:")
        if track_id not in found.index or track_id not in served:
            faults.append(f"there is no track {track_id}")
            continue
        faults += _differences(song, found.loc[track_id], served[track_id])
    return kind, faults


def _differences(song: Song, imported: pd.Series[Any], served: Track) -> list[str]:
    faults = []
    for name, right in song.values.items():
        if name == "track_id":
            continue
        values = [imported[name]]
        if name != "popularity":
            values.append(served.texts.get(name, served.fields.get(name)))
        for value in values:
            missing = value is None or value is pd.NA or value != value
            if name in ("title", "genre") and right is None:
                continue  # texts that are no numbers stay as they are
            equal = missing if right is None else not missing and _equal(value, right)
            if not equal:
                faults.append(f"{song.values['track_id']}: {name} is {value!r}, not {right!r}")
    return faults


def _equal(value: Any, right: Any) -> bool:
    if isinstance(right, str):
        return bool(str(value) == right)
    return abs(float(value) - right) <= 1e-6 * max(1, abs(right))


def fuzz(count: int, seed: int = 0) -> list[str]:
    """Try some tables and tell what was wrong, each with the seed that makes it again."""
    faults: list[str] = []
    kinds: Counter[str] = Counter()
    for number in range(seed, seed + count):
        folder = Path(tempfile.mkdtemp())
        try:
            kind, found = try_one(number, folder)
        finally:
            shutil.rmtree(folder)
        kinds[kind] += 1
        if found:
            faults.append(f"seed {number} ({kind}): {len(found)} faults, the first: {found[0]}")
            print(faults[-1], flush=True)
    told = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
    print(f"{count} tables tried ({told}), {len(faults)} with faults", flush=True)
    return faults


def main() -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    return 1 if fuzz(options.count, options.seed) else 0


if __name__ == "__main__":
    raise SystemExit(main())
