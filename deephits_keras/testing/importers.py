"""The conformance checks of importers.

In your own test:

    from deephits_keras.testing.importers import parametrize_with_importer_checks

    @parametrize_with_importer_checks([MyDataset()])
    def test_my_importer_keeps_the_contract(importer, check):
        check(importer)
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deephits_keras.corpus.files import TRACKS
from deephits_keras.corpus.finishing import ImportSummary
from deephits_keras.corpus.importers import Importer, import_dataset
from deephits_keras.errors import UserError
from deephits_keras.testing.subject import CheckError, require

HEAVY = ("pandas", "numpy", "pyarrow", "h5py", "keras", "tensorflow")
NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class ImporterCheckResult:
    """Result of one check.

    Attributes:
        name: Name of the check.
        message: What is wrong; empty if it passed.
    """

    name: str
    message: str

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return not self.message


@contextmanager
def _example(importer: Importer) -> Iterator[tuple[Path, Path]]:
    """The importer's example and a folder for corpora."""
    with tempfile.TemporaryDirectory(prefix="deephits-check-") as name:
        folder = Path(name) / "source"
        folder.mkdir()
        yield importer.write_example(folder), Path(name)


@contextmanager
def _imported(importer: Importer) -> Iterator[ImportSummary]:
    with _example(importer) as (source, folder):
        yield import_dataset(importer, source, folder / "corpus")


def check_says_what_it_is(importer: Importer) -> None:
    """It has a valid name, and states its layout and the publication to cite."""
    require(
        bool(NAME.fullmatch(importer.name)),
        f"name is {importer.name!r}: use lower-case letters, digits and hyphens",
    )
    for attribute in ("summary", "layout", "citation"):
        require(bool(getattr(importer, attribute, "")), f"{attribute} is empty")
    require(bool((type(importer).__doc__ or "").strip()), "the class has no docstring")


def check_imports_nothing_heavy(importer: Importer) -> None:
    """Importing its module imports no heavy package."""
    module = type(importer).__module__
    source = f"import sys, {module}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    require(done.returncode == 0, f"{module} can't be imported alone: {done.stderr[-300:]}")
    require(
        not done.stdout.strip(),
        f"importing {module} imports {done.stdout.strip()}: import them inside the methods",
    )


def check_refuses_another_layout(importer: Importer) -> None:
    """A folder with another layout raises a `UserError` that names missing files."""
    with tempfile.TemporaryDirectory(prefix="deephits-check-") as name:
        folder = Path(name)
        (folder / "notes.txt").write_text("nothing of this kind")
        try:
            importer.open(folder)
        except UserError as error:
            require(
                any(mark in str(error) for mark in (".csv", ".h5", ".json", ".tsv", ".parquet")),
                f"the message doesn't name the files that the layout needs: {error}",
            )
        except Exception as error:
            raise CheckError(
                f"a folder without its files raised {type(error).__name__}: {error}. "
                "Raise UserError that names them"
            ) from error
        else:
            raise CheckError("a folder without its files was opened; raise UserError")


def check_imports_its_example(importer: Importer) -> None:
    """The example gives a corpus of at least three tracks with artists."""
    with _imported(importer) as summary:
        corpus = summary.corpus
        require(len(corpus) >= 3, f"of its example {len(corpus)} tracks are left; give three")
        for column in ("title", "artist_name"):
            require(column in corpus.columns, f"its tracks have no column {column}")
        require(
            len(set(corpus.popularity.tolist())) > 1,
            "every track of its example has the same popularity",
        )


def check_accounts_for_every_row(importer: Importer) -> None:
    """Every row of the source is a track, or is rejected with a reason."""
    with _imported(importer) as summary:
        known = len(summary.corpus) + sum(summary.rejected.values())
        require(
            known == summary.source_rows,
            f"{summary.source_rows} rows became {len(summary.corpus)} tracks and "
            f"{sum(summary.rejected.values())} rejected rows",
        )


def check_ids_are_those_of_the_tracks(importer: Importer) -> None:
    """`track_ids` gives the same ids as `tracks`; recordings are found by them."""
    with _example(importer) as (source, _):
        opened = importer.open(source)
        alone = [str(value) for values in opened.track_ids() for value in values]
        whole = [str(value) for rows in opened.tracks() for value in rows["track_id"]]
        require(
            set(whole) <= set(alone),
            f"tracks() has ids that track_ids() lacks: {sorted(set(whole) - set(alone))[:3]}",
        )


def check_can_be_read_again(importer: Importer) -> None:
    """`tracks` and `track_ids` start from the beginning at each call."""
    with _example(importer) as (source, _):
        opened = importer.open(source)
        for method in (opened.tracks, opened.track_ids):
            first, second = (sum(map(len, method())) for _ in range(2))
            require(
                first == second,
                f"{method.__name__} gave {first} rows at first and {second} at the second call",
            )


def check_is_deterministic(importer: Importer) -> None:
    """The same source gives the same corpus to the byte."""
    with _example(importer) as (source, folder):
        for name in ("first", "second"):
            import_dataset(importer, source, folder / name)
        tables = [(folder / name / TRACKS).read_bytes() for name in ("first", "second")]
        require(tables[0] == tables[1], "two imports of one source differ")


def check_later_columns_exist(importer: Importer) -> None:
    """The columns declared as known only after a release exist."""
    with _imported(importer) as summary:
        absent = [name for name in importer.later if name not in summary.corpus.columns]
        require(not absent, f"later names columns that its tracks lack: {', '.join(absent)}")


CHECKS: dict[str, Callable[[Importer], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_says_what_it_is,
        check_imports_nothing_heavy,
        check_refuses_another_layout,
        check_imports_its_example,
        check_accounts_for_every_row,
        check_ids_are_those_of_the_tracks,
        check_can_be_read_again,
        check_is_deterministic,
        check_later_columns_exist,
    )
}


def run_importer_checks(importer: Importer) -> list[ImporterCheckResult]:
    """Run every check; an exception of the importer is a failure of the check.

    Example:
        >>> from deephits_keras.corpus.importers import find_importer
        >>> all(r.passed for r in run_importer_checks(find_importer("kaggle-tracks")))
        True
    """
    return [ImporterCheckResult(name, _outcome(name, importer)) for name in CHECKS]


def parametrize_with_importer_checks(importers: Sequence[Importer]) -> Any:
    """A pytest decorator that creates one test per check and importer."""
    import pytest

    def check_of(name: str) -> Callable[[Importer], None]:
        def check(importer: Importer) -> None:
            if message := _outcome(name, importer):
                pytest.fail(f"{name}: {message}", pytrace=False)

        return check

    return pytest.mark.parametrize(
        ("importer", "check"),
        [
            pytest.param(i, check_of(name), id=f"{i.name}-{name}")
            for i in importers
            for name in CHECKS
        ],
    )


def _outcome(name: str, importer: Importer) -> str:
    try:
        CHECKS[name](importer)
    except CheckError as failure:
        return str(failure)
    except Exception as error:
        return f"the importer raised {type(error).__name__}: {error}"
    return ""
